"""The page and the files it is made of, as they stand in static/."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.types import Scope

STATIC = Path(__file__).parent / "static"
# Nothing is loaded from elsewhere, nothing runs that does not stand in static/, and only the sanitiser makes HTML.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types dompurify"
)
HEADERS = {
    "Cache-Control": "no-cache",  # browsers ask whether it has changed
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Assets(StaticFiles):
    """The files, which browsers ask for each time whether they have changed. They do not fill the log.

    Args:
        folders: Where they are; of those that have the same name, the first counts.
    """

    def __init__(self, folders: list[Path]) -> None:
        super().__init__(directory=STATIC)
        self.all_directories = [*folders]

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with a file."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        Request(scope).state.quiet = True
        return response


def install(app: FastAPI, own: Path | None) -> None:
    """Serve the page at / and its files below /static, those of the folder `own` first, where it is there."""
    folders = [folder for folder in (own, STATIC) if folder and folder.is_dir()]
    (index, *_) = [folder / "index.html" for folder in folders if (folder / "index.html").is_file()]

    @app.get("/")
    async def page() -> Response:
        return FileResponse(index, headers=HEADERS)

    app.mount("/static", GZipMiddleware(Assets(folders)))
