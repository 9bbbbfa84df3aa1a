"""The agent's Markdown as Telegram shows it: text with entities, in pieces that fit into one message each."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import pyromark
import telegramify_markdown
from telegram import MessageEntity
from telegram.constants import MessageLimit
from telegramify_markdown import RenderConfig, utf16_len

LIMIT = int(MessageLimit.MAX_TEXT_LENGTH)  # UTF-16 code units, in which Telegram counts
LINKS = ("http://", "https://", "mailto:")
NOTHING = "(an empty reply)"

# Where a long text is cut, the best place first. A piece should be half full, or else a finer cut is better.
BREAKS = [re.compile(pattern) for pattern in (r"\n\s*\n", r"\n", r"[.!?…]\S?\s+|[。\uff01\uff1f]", r"\s+")]

LOOK = RenderConfig.isolated()
LOOK.markdown_symbol.heading_level_1 = ""
LOOK.markdown_symbol.heading_level_2 = ""
LOOK.markdown_symbol.heading_level_3 = ""
LOOK.markdown_symbol.heading_level_4 = ""
LOOK.markdown_symbol.unordered_list_item = "•"


@dataclass(frozen=True)
class Piece:
    """What one message shows."""

    text: str
    entities: tuple[MessageEntity, ...] = ()


def plain(text: str) -> list[Piece]:
    """A text as it is, in pieces."""
    return _split(text, [])


def render(markdown: str) -> list[Piece]:
    """Markdown, formatted and in pieces. HTML in it is shown as the text that it is."""
    text, found = telegramify_markdown.convert(_keep_html(markdown), config=LOOK)
    if not text.strip():
        return plain(markdown)
    entities = [
        MessageEntity(entity.type, entity.offset, entity.length, url=entity.url, language=entity.language)
        for entity in found
        if entity.url is None or entity.url.lower().startswith(LINKS)
    ]
    return _split(text, entities)


def _keep_html(markdown: str) -> str:
    """Escape HTML, which the conversion would drop."""
    while ranges := _html(markdown):
        source = markdown.encode()
        for start, end in reversed(ranges):
            source = source[:start] + source[start:end].replace(b"<", rb"\<") + source[end:]
        markdown = source.decode()
    return markdown


def _html(markdown: str) -> list[tuple[int, int]]:
    """Where in the Markdown, in bytes, a parser finds HTML."""
    if "<" not in markdown:
        return []
    options = pyromark.Options.ENABLE_TABLES | pyromark.Options.ENABLE_MATH
    return [
        (place["start"], place["end"])
        for event, place in pyromark.events_with_range(markdown, options=options)
        if isinstance(event, dict) and ("Html" in event or "InlineHtml" in event)
    ]


def _split(text: str, entities: Sequence[MessageEntity]) -> list[Piece]:
    units = list(accumulate((1 + (character > "\uffff") for character in text), initial=0))
    blocks = [
        (bisect_right(units, entity.offset) - 1, bisect_right(units, entity.offset + entity.length) - 1)
        for entity in entities
        if entity.type == MessageEntity.PRE
    ]
    pieces = []
    start = 0
    while start < len(text):
        limit = bisect_right(units, units[start] + LIMIT) - 1
        end = _cut(text, start, limit, blocks)
        if text[start:end].strip():
            pieces.append(_piece(text[start:end], units[start], entities))
        start = end
    return pieces or [Piece(NOTHING)]


def _cut(text: str, start: int, limit: int, blocks: list[tuple[int, int]]) -> int:
    """Where the piece that begins at `start` ends: at `limit`, or at the best place before it."""
    if limit == len(text):
        return limit
    for first, last in blocks:
        if start < first < limit < last:
            return first  # a block of code goes into the next message as a whole
        if first <= start < limit < last:  # and one that is longer than a message is cut at a line
            return text.rfind("\n", start, limit) + 1 or limit
    for pattern in BREAKS:
        ends = [found.end() for found in pattern.finditer(text, start, limit) if not _inside(found.end(), blocks)]
        if ends and (ends[-1] - start) * 2 >= limit - start:
            return ends[-1]
    return limit


def _inside(place: int, blocks: list[tuple[int, int]]) -> bool:
    return any(first < place < last for first, last in blocks)


def _piece(text: str, offset: int, entities: Sequence[MessageEntity]) -> Piece:
    """A part of the text that begins at `offset`, with its share of the entities."""
    body = text.strip("\n").rstrip()
    offset += len(text) - len(text.lstrip("\n"))
    length = utf16_len(body)
    return Piece(body, tuple(_clip(entity, offset, length) for entity in entities if _overlaps(entity, offset, length)))


def _overlaps(entity: MessageEntity, offset: int, length: int) -> bool:
    return entity.offset < offset + length and entity.offset + entity.length > offset


def _clip(entity: MessageEntity, offset: int, length: int) -> MessageEntity:
    first = max(entity.offset - offset, 0)
    last = min(entity.offset + entity.length - offset, length)
    return MessageEntity(entity.type, first, last - first, url=entity.url, language=entity.language)
