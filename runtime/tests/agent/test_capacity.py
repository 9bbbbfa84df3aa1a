"""How many turns fit into the memory."""

from pathlib import Path

import pytest

from three_tier.agent import capacity


@pytest.mark.parametrize(
    ("limit", "most"),
    [
        ("max\n", capacity.NO_LIMIT),
        (f"{512 * 2**20}\n", 80),
        (f"{2**30}\n", 208),
        (f"{2**63 - 4096}\n", capacity.NO_LIMIT),
        (f"{64 * 2**20}\n", 1),
    ],
)
def test_the_limit_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, most: int) -> None:
    file = tmp_path / "memory.max"
    file.write_text(limit)
    monkeypatch.setattr(capacity, "MEMORY_LIMITS", (tmp_path / "none", file))
    assert capacity.most_turns(4 * 2**20) == most


def test_without_such_a_file_there_is_no_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "MEMORY_LIMITS", (tmp_path / "none",))
    assert capacity.most_turns(2**20) == capacity.NO_LIMIT
