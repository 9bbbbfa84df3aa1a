"""Your part of the page, as browsers get it."""

import pytest

from page import SUGGESTIONS
from three_tier.interface.web.testing import Page

pytestmark = pytest.mark.anyio


async def test_the_page_offers_the_suggestions(page: Page) -> None:
    answer = await page.owner.get("/agent")
    assert answer.json()["suggestions"] == SUGGESTIONS


async def test_nobody_sees_them_who_is_not_signed_in(page: Page) -> None:
    answer = await page.stranger.get("/agent")
    assert answer.status_code == 401
