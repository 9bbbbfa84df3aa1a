"""Your routes, as their callers find them."""

import pytest

from three_tier.interface.api.testing import Api

pytestmark = pytest.mark.anyio


async def test_whoami_tells_whose_key_it_is(api: Api) -> None:
    answer = await api.caller.get("/v1/whoami")
    assert answer.json() == {"owner": "api:tester"}


async def test_whoami_needs_a_key(api: Api) -> None:
    answer = await api.stranger.get("/v1/whoami")
    assert answer.status_code == 401
