"""What a project changes of the page."""

from pathlib import Path

import pytest

from three_tier.interface.web.page import HEADERS, STATIC
from three_tier.interface.web.testing import running

pytestmark = pytest.mark.anyio


async def test_suggestions_are_for_those_who_are_signed_in() -> None:
    async with running(["What can you do?"]) as page:
        assert (await page.owner.get("/agent")).json()["suggestions"] == ["What can you do?"]
        assert (await page.stranger.get("/agent")).status_code == 401
        assert "What can you do?" not in (await page.stranger.get("/")).text


async def test_files_of_a_project_come_before_the_page_s_own(tmp_path: Path) -> None:
    (tmp_path / "style.css").write_text("body { color: teal }")
    (tmp_path / "index.html").write_text("<!doctype html>mine")
    (tmp_path / "fonts").mkdir()
    (tmp_path / "fonts" / "own.woff2").write_bytes(b"font")
    async with running(files=tmp_path) as page:
        index = await page.stranger.get("/")
        assert index.text == "<!doctype html>mine"
        assert index.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
        assert (await page.stranger.get("/static/style.css")).text == "body { color: teal }"
        assert (await page.stranger.get("/static/fonts/own.woff2")).content == b"font"
        assert (await page.stranger.get("/static/app.js")).text == (STATIC / "app.js").read_text()


@pytest.mark.parametrize("path", ["../page.py", "%2e%2e/page.py", "nothing", "..%2fmain.py", "//etc/passwd"])
async def test_no_other_file_is_served(tmp_path: Path, path: str) -> None:
    own = tmp_path / "static"
    own.mkdir()
    for name in ("page.py", "main.py"):
        (tmp_path / name).write_text("secret")
    async with running(files=own) as page:
        answer = await page.owner.get(f"/static/{path}")
        assert answer.status_code == 404
        assert "secret" not in answer.text


async def test_the_folder_need_not_be_there(tmp_path: Path) -> None:
    async with running(files=tmp_path / "static") as page:
        assert (await page.stranger.get("/")).text == (STATIC / "index.html").read_text()
