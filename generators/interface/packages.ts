/** What every interface needs from PyPI. */
export const interfacePackages = ['aiohttp', 'pydantic', 'pydantic-settings', 'structlog', 'uvloop', 'yarl'];

/** What its tests and checks need beside. */
export const interfaceDevPackages = ['anyio', 'mypy', 'pytest', 'ruff'];
