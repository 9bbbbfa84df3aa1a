"""What the garbage collector leaves alone once everything is loaded."""

import gc
from collections.abc import Iterator

import pytest

from three_tier.common.http import loaded


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_what_is_loaded_is_not_walked_again() -> None:
    loaded.settle()
    mine: list[object] = []
    assert gc.get_freeze_count() > 1_000
    assert any(found is mine for found in gc.get_objects())
    assert not any(found is vars(pytest) for found in gc.get_objects())
