"""How API_KEYS is read."""

import hmac

import pytest

from three_tier.interface.api.keys import ApiKeys

KEY = "k" * 16


def test_names_by_key() -> None:
    api_keys = ApiKeys(f"a:{KEY}1, b:{KEY}:2,a:{KEY}3")
    assert [api_keys.name_of(f"{KEY}{end}") for end in ("1", ":2", "3", "", "4")] == ["a", "b", "a", None, None]


def test_key_that_is_not_ascii_is_just_wrong() -> None:
    assert ApiKeys(f"a:{KEY}").name_of("ключ\udcff".encode("utf-8", "replace").decode()) is None


def test_every_key_is_compared_whatever_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def compare(known: bytes, presented: bytes) -> bool:
        compared.append(known)
        return known == presented

    api_keys = ApiKeys(f"a:{KEY}1,b:{KEY}2,c:{KEY}3")
    monkeypatch.setattr(hmac, "compare_digest", compare)
    for presented in (f"{KEY}1", f"{KEY}2", "wrong"):
        compared.clear()
        api_keys.name_of(presented)
        assert len(compared) == 3, "how long it takes tells nothing"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "entry 1"),
        (KEY, "entry 1"),
        (f"a:{KEY},", "entry 2"),
        (f":{KEY}", "entry 1"),
        (f"a b:{KEY}", "entry 1"),
        (f"a:{KEY} x", "entry 1"),
        (f"a:{KEY}ü", "entry 1"),
        (f"{'a' * 65}:{KEY}", "entry 1"),
        ("a:0123456789abcde", "shorter than 16"),
        (f"a:{KEY},b:{KEY}", "entry 2 to two names"),
    ],
)
def test_complaints_quote_no_key(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as error:
        ApiKeys(text)
    assert "0123" not in str(error.value)
