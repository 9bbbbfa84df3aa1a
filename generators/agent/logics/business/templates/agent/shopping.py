"""A shopping list, how things are read from a message, and how they are written into a reply."""

import re
from collections.abc import Sequence

from pydantic import BaseModel

from three_tier.agent.business import Refused

MOST_THINGS = 100  # different ones on a list, and in one message
MOST_OF_ONE = 999
LONGEST_NAME = 80  # characters

NUMBERS = {"the": None, "some": None, "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}

type Thing = tuple[str, int | None]  # its name, and how many of it where that was said


class ShoppingList(BaseModel):
    """How many of what."""

    things: dict[str, int] = {}

    def find(self, name: str) -> str | None:
        """The name under which a thing is on the list: capitals do not matter, nor does an s at the end."""
        return next((thing for thing in self.things if _same(thing, name)), None)

    def put(self, name: str, number: int) -> None:
        """Add so many of a thing. Raises Refused when it becomes too much."""
        thing = self.find(name) or name
        self.things[thing] = self.things.get(thing, 0) + number
        if self.things[thing] > MOST_OF_ONE:
            raise Refused(f"More than {MOST_OF_ONE} of one thing do not fit on the list.")
        if len(self.things) > MOST_THINGS:
            raise Refused(f"More than {MOST_THINGS} different things do not fit on the list.")

    def take(self, thing: str, number: int | None) -> int:
        """Remove so many of a thing that is on the list, or all of it, and return how many that were."""
        there = self.things[thing]
        taken = min(there, number or there)
        if taken == there:
            del self.things[thing]
        else:
            self.things[thing] = there - taken
        return taken


def read_things(text: str) -> list[Thing]:
    """Names and numbers in "2 milk, the bread and an apple". Raises Refused when there are none, or strange ones."""
    parts = (part.strip(" .:!?-*•") for part in re.split(r"[,;&]|\band\b", text, flags=re.IGNORECASE))
    things = [_read_thing(part) for part in parts if part]
    if not things:
        raise Refused("Please say what, as in “add 2 milk and bread”.")
    if len(things) > MOST_THINGS:
        raise Refused(f"More than {MOST_THINGS} things at once are too many.")
    return things


def in_words(things: Sequence[Thing], last_with: str = "and") -> str:
    """Things as a person writes them: "2 milk, bread and apples"."""
    *most, last = [f"{number} {name}" if number and number > 1 else name for name, number in things]
    return f"{', '.join(most)} {last_with} {last}" if most else last


def _read_thing(text: str) -> Thing:
    """Name and number of "2 milk", "2x milk", "two milk" or "the milk", which has none."""
    word, _, rest = text.partition(" ")
    amount = word.casefold().removesuffix("x")
    name, number = text, None
    if rest and amount.isdecimal():
        name, number = rest.removeprefix("x "), int(amount[:4])
    elif rest and amount in NUMBERS:
        name, number = rest, NUMBERS[amount]
    if number is not None and not 1 <= number <= MOST_OF_ONE:
        raise Refused(f"A number must be between 1 and {MOST_OF_ONE}.")
    if len(name) > LONGEST_NAME:
        raise Refused(f"A name has at most {LONGEST_NAME} characters.")
    return name, number


def _same(one: str, other: str) -> bool:
    return one.casefold().removesuffix("s") == other.casefold().removesuffix("s")
