"""What the agent does with a message. This file is yours: the commands. So is shopping.py: what a thread remembers.

These two keep a shopping list for each thread. A message is tried on the commands from top to bottom. The first one
whose pattern fits gets the parts that the pattern captures, and what it returns is the reply:

    "Please add 2 milk and bread!"  ->  add(request, "2 milk and bread")  ->  "Added 2 milk and bread. ..."
"""

import structlog

from shopping import ShoppingList, Thing, in_words, read_things
from three_tier.agent.business import Commands, Refused, Request, Unknown

log = structlog.get_logger("logic")

LONGEST_QUOTE = 200  # characters

# What a thread remembers, from shopping.py. It travels with the newest reply, and the next message starts from there,
# so keep it small. A field that is added later needs a default, because the threads that are there do not have it.

type State = ShoppingList

commands = Commands(ShoppingList)

# The commands. A pattern is a regular expression. The first line of the docstring is the command's line in the help.
# They are async, so that they may wait for another service without holding up the other threads.

LIST = "(?:the|my|our) (?:shopping )?list"


@commands.on(rf"(?:add|buy|get|put)[:,]* (.+?)(?: (?:to|on) {LIST})?", replay=True)
async def add(request: Request[State], what: str) -> str:
    """“add 2 milk and bread” puts things on the list."""
    things = read_things(what)
    for name, number in things:
        request.state.put(name, number or 1)
    return f"Added {in_words(things)}. {how_many(request.state)}"


@commands.on(rf"(?:clear|empty)(?: {LIST})?|(?:remove|delete) (?:all|everything|{LIST})", replay=True)
async def clear(request: Request[State]) -> str:
    """“clear” empties the list."""
    request.state.things.clear()
    return "The list is empty now."


@commands.on(rf"(?:remove|delete|drop|(?:i|we) (?:got|bought))[:,]* (.+?)(?: (?:from|off) {LIST})?", replay=True)
async def remove(request: Request[State], what: str) -> str:
    """“remove the bread and 1 milk” takes things off the list."""
    removed: list[Thing] = []
    missing: list[Thing] = []
    for name, number in read_things(what):
        if thing := request.state.find(name):
            removed.append((thing, request.state.take(thing, number)))
        else:
            missing.append((name, None))
    said = []
    if removed:
        said.append(f"Removed {in_words(removed)}. {how_many(request.state)}")
    if missing:
        said.append(f"There is no {in_words(missing, last_with='or')} on the list.")
    return " ".join(said)


@commands.on(rf"(?:show|list)(?: (?:me )?{LIST})?|what(?: is|['\u2019]s) on {LIST}")
async def show(request: Request[State]) -> str:
    """“show” tells what is on the list."""
    if not request.state.things:
        return "The list is empty."
    return "\n".join(["On the list:", *(f"- {in_words([thing])}" for thing in request.state.things.items())])


@commands.on("help|hello|hi|what can you do")
async def show_help(_: Request[State]) -> str:
    """“help” tells what I understand."""
    return "\n".join(["I keep your shopping list:", *(f"- {command.help}" for command in commands.all)])


def how_many(shopping: ShoppingList) -> str:
    """A sentence about the length of the list."""
    match len(shopping.things):
        case 0:
            return "The list is empty now."
        case 1:
            return "There is one thing on the list now."
        case number:
            return f"There are {number} things on the list now."


# Around the commands: the reply to every message, and so to those that no command can deal with.


async def reply_to(request: Request[State]) -> str:
    """Carry out the command, or say why not."""
    try:
        return await commands.carry_out(request)
    except Unknown:
        quote = request.message if len(request.message) <= LONGEST_QUOTE else f"{request.message[:LONGEST_QUOTE]}…"
        return f"I do not know what “{quote}” means. Say “help” to see what I understand."
    except Refused as reason:
        return str(reason)
    except Exception:
        log.exception("a command failed")
        return "That went wrong, and nothing was changed. Please try again later."
