"""What a person reads of a model's text: not the reasoning that some servers leave in it, in tags."""

import re

from langchain_core.messages import AIMessageChunk

NAMES = "think|thinking|thought"
CLOSED = re.compile(rf"(?<!`)<({NAMES})>.*?</\1>", re.DOTALL)
CUT_OFF = re.compile(rf"^[ \t]*<(?:{NAMES})>.*", re.DOTALL | re.MULTILINE)
BEGUN_BEFORE = re.compile(rf"\A.*\n</(?:{NAMES})>[ \t]*\n", re.DOTALL)  # a chat template can have the opening tag
OPENING = re.compile(rf"(?<!`)<(?:({NAMES})>|[a-z]{{0,8}}\Z)")  # or what may become one

BREAK = "\n\n"  # between what is said before and after a call of a tool


def without_reasoning(text: str) -> str:
    """The text without reasoning, which is also what a tag begins that nothing closes."""
    for reasoning in (CLOSED, CUT_OFF, BEGUN_BEFORE):
        text = reasoning.sub("", text)
    return text.lstrip()


class GrowingReply:
    """What can be shown of a reply while the model writes it: in one message, or in several around calls of tools."""

    def __init__(self) -> None:
        self._shown = ""
        self._message: str | None = None
        self._text = ""  # of the message
        self._place = 0  # up to which it is shown or left out
        self._begun = False  # whether any of it is shown

    def add(self, chunk: AIMessageChunk) -> str:
        """The text to show now that there is more of the reply."""
        if chunk.id != self._message:
            self._message, self._text, self._place, self._begun = chunk.id, "", 0, False
        self._text += chunk.text
        text = self._next()
        if not self._begun:
            text = text.lstrip()
            if text and self._shown:
                text = BREAK + text
        self._begun = self._begun or bool(text)
        self._shown += text
        return text

    def _next(self) -> str:
        """What follows in the message, up to a tag that is not closed yet."""
        text = ""
        while opening := OPENING.search(self._text, self._place):
            text += self._text[self._place : opening.start()]
            self._place = opening.start()
            closing = f"</{opening[1]}>"
            end = self._text.find(closing, self._place) if opening[1] else -1
            if end < 0:
                return text
            self._place = end + len(closing)
        text += self._text[self._place :]
        self._place = len(self._text)
        return text

    def rest(self, reply: str) -> str:
        """The end of the whole reply that is not shown yet."""
        return reply.removeprefix(self._shown) if reply.startswith(self._shown) else ""
