"""What a person reads of a model's text: not the reasoning that some servers leave in it, in tags."""

import re

from langchain_core.messages import AIMessageChunk

NAMES = "think|thinking|thought"
OPENED = re.compile(rf"(?<!`)<({NAMES})>")
CUT_OFF = re.compile(rf"^[ \t]*<(?:{NAMES})>.*", re.DOTALL | re.MULTILINE)
BEGUN_BEFORE = re.compile(rf"\A.*\n</(?:{NAMES})>[ \t]*\n", re.DOTALL)  # a chat template can have the opening tag
OPENING = re.compile(rf"(?<!`)<(?:({NAMES})>|[a-z]{{0,8}}\Z)")  # or what may become one

BREAK = "\n\n"  # between what is said before and after a call of a tool


def without_reasoning(text: str) -> str:
    """The text without reasoning, which is also what a tag begins that nothing closes."""
    text = _without_closed(text)
    for reasoning in (CUT_OFF, BEGUN_BEFORE):
        text = reasoning.sub("", text)
    return text.lstrip()


def _without_closed(text: str) -> str:
    """The text without what stands between two tags. Each name is looked for only until nothing closes it any more."""
    kept: list[str] = []
    start = 0
    unclosed: set[str] = set()
    for opening in OPENED.finditer(text):
        name = opening[1]
        if opening.start() < start or name in unclosed:
            continue
        closing = f"</{name}>"
        end = text.find(closing, opening.end())
        if end < 0:
            unclosed.add(name)
        else:
            kept.append(text[start : opening.start()])
            start = end + len(closing)
    return "".join([*kept, text[start:]])


class GrowingReply:
    """What can be shown of a reply while the model writes it: in one message, or in several around calls of tools."""

    def __init__(self) -> None:
        self._shown = ""
        self._start = 0  # where in it the reply starts
        self._begin(None)

    def _begin(self, message: str | None) -> None:
        self._message = message
        self._begun = False  # whether any of it is shown
        self._calls = False  # whether it calls a tool
        self._held = " "  # what is not decided yet, after the character before it
        self._closing = ""  # the tag that ends the reasoning

    def add(self, chunk: AIMessageChunk) -> str:
        """The text to show now that there is more of the reply."""
        if chunk.id != self._message:
            if not self._calls:  # then it was no part of the reply, which comes after it
                self._start = len(self._shown)
            self._begin(chunk.id)
        self._calls = self._calls or bool(chunk.tool_call_chunks)
        text = self._next(chunk.text)
        if not self._begun:
            text = text.lstrip()
            if text and self._shown:
                text = BREAK + text
        self._begun = self._begun or bool(text)
        self._shown += text
        return text

    def _next(self, piece: str) -> str:
        """What follows in the message, up to a tag that is not closed yet."""
        text = ""
        self._held += piece
        while True:
            if self._closing:
                _, closed, after = self._held.partition(self._closing)
                if not closed:
                    self._held = self._held[-len(self._closing) :]
                    return text
                self._held, self._closing = f" {after}", ""
            opening = OPENING.search(self._held, 1)
            if not opening:
                text += self._held[1:]
                self._held = self._held[-1]
                return text
            text += self._held[1 : opening.start()]
            if not opening[1]:
                self._held = self._held[opening.start() - 1 :]
                return text
            self._held, self._closing = self._held[opening.end() :], f"</{opening[1]}>"

    def rest(self, reply: str) -> str:
        """The end of the whole reply that is not shown yet."""
        shown = self._shown[self._start :].lstrip()
        return reply.removeprefix(shown) if reply.startswith(shown) else ""
