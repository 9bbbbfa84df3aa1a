"""Who may write, and how much."""

from datetime import UTC, datetime, timedelta

import pytest
from telegram import Chat, Message, User

from three_tier.interface.telegram.access import Guests, Pace

NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)


def message(user: User | None, chat: int = 7) -> Message:
    """A message by somebody."""
    return Message(1, NOON, Chat(chat, "private" if chat > 0 else "group"), from_user=user)


ALICE = User(7, "Alice", is_bot=False, username="Alice_L")


@pytest.mark.parametrize("text", ["7", "*", "@alice_l", "ALICE_L", "1, 2 ,7", "@bob_b,7"])
def test_listed_people_are_welcome(text: str) -> None:
    assert Guests(text).invite(message(ALICE))


@pytest.mark.parametrize("text", ["", " ", ",", "8", "77", "-7", "@alice", "7000"])
def test_all_others_are_not(text: str) -> None:
    assert not Guests(text).invite(message(ALICE))


def test_person_without_a_name_is_not_a_blank_entry() -> None:
    assert not Guests(",,").invite(message(User(8, "Bob", is_bot=False), 8))


def test_group_stands_for_all_in_it() -> None:
    assert Guests("-100").invite(message(ALICE, -100))
    assert Guests("-100").invite(message(None, -100))
    assert not Guests("-100").invite(message(ALICE, -101))


@pytest.mark.parametrize("text", ["alice smith", "7;8", "@", "a b", "<7>"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="entry 1"):
        Guests(text)


def test_pace_counts_each_person_by_the_time_of_writing() -> None:
    pace = Pace(2)
    assert [pace.admit(7, NOON) for _ in range(3)] == [True, True, False]
    assert pace.admit(8, NOON)
    assert not pace.admit(7, NOON + timedelta(seconds=59))
    assert pace.admit(7, NOON + timedelta(seconds=60))


def test_no_limit() -> None:
    pace = Pace(0)
    assert all(pace.admit(7, NOON) for _ in range(1000))
