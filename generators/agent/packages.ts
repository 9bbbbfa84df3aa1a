/** What every agent needs from PyPI. */
export const agentPackages = [
  'anyio',
  'fastapi',
  'httptools',
  'prometheus-client',
  'pydantic',
  'pydantic-settings',
  'structlog',
  'tenacity',
  'uvicorn',
  'uvloop',
];

/** What its tests and checks need beside. */
export const agentDevPackages = ['httpx', 'mypy', 'pytest', 'ruff'];
