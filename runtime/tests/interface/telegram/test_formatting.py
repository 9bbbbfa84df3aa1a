"""What Telegram is given to show, and how a long text is cut."""

import random

import pytest
from telegram import MessageEntity

from three_tier.interface.telegram.formatting import LIMIT, Piece, plain, render


def utf16(text: str) -> int:
    """The length as Telegram counts."""
    return len(text.encode("utf-16-le")) // 2


def formatted(piece: Piece) -> list[tuple[str, str]]:
    """Each entity with the text that it covers."""
    source = piece.text.encode("utf-16-le")
    return [
        (entity.type, source[entity.offset * 2 : (entity.offset + entity.length) * 2].decode("utf-16-le"))
        for entity in piece.entities
    ]


def test_markdown_becomes_entities() -> None:
    (piece,) = render(
        '# Tea 🍵\n\n**Green** or _black_, `hot`, [where](https://tea.example)\n\n```python\nprint("🍵")\n```'
    )
    assert piece.text == 'Tea 🍵\n\nGreen or black, hot, where\n\nprint("🍵")'
    found = formatted(piece)
    for entity in [("bold", "Green"), ("italic", "black"), ("code", "hot"), ("text_link", "where")]:
        assert entity in found
    assert ("pre", 'print("🍵")') in [(kind, text.strip()) for kind, text in found]


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<div onclick='x'>\nhello <b>you\n</div>",
        "before <img src=x onerror=alert(1)> after",
        "<!-- a\ncomment -->",
        "**bold _broken `markdown [of](every kind",
        "a < b and b > c",
        "~~~~ || $ \\ ]]",
        "[x]: http://a.example",
    ],
)
def test_hostile_text_is_shown_as_it_is(text: str) -> None:
    assert [piece.text for piece in render(text)] == [text]


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "tg://user?id=7", "file:///etc/passwd"]
)
def test_only_links_to_the_web_are_links(url: str) -> None:
    (piece,) = render(f"[here]({url}) and ![there]({url})")
    assert piece.entities == ()
    assert "here" in piece.text


def test_html_in_code_is_code() -> None:
    (piece,) = render("`<b>` and\n\n```\n<i>\n```")
    assert piece.text == "<b> and\n\n<i>"


def test_empty_reply_is_not_an_empty_message() -> None:
    for nothing in ("", " \n "):
        (piece,) = render(nothing)
        assert piece.text.strip()


def test_emoji_are_never_halved() -> None:
    pieces = plain("🙂" * 4096)
    assert [utf16(piece.text) for piece in pieces] == [4096, 4096]
    assert "".join(piece.text for piece in pieces) == "🙂" * 4096
    odd = plain("x" + "🙂" * 4096)
    assert [utf16(piece.text) for piece in odd] == [4095, 4096, 2]


def test_cuts_at_a_paragraph_then_a_sentence_then_a_word() -> None:
    half = "word " * 500
    assert plain(f"{half.strip()}.\n\n{half}. {half}")[0].text == f"{half.strip()}."
    sentence = "This is a sentence. " * 300
    assert all(piece.text.endswith("sentence.") for piece in plain(sentence))
    words = plain("word " * 2000)
    assert all(piece.text.endswith("word") and piece.text.startswith("word") for piece in words)
    assert " ".join(piece.text for piece in words) == ("word " * 2000).strip()


def test_code_goes_into_the_next_message_as_a_whole() -> None:
    code = "x = 1\n" * 500
    first, second = render(f"{'Some text. ' * 200}\n\n```python\n{code}```\n\nThe end.")
    assert first.text.endswith("Some text.")
    assert first.entities == ()
    assert [kind for kind, _ in formatted(second)] == ["pre"]
    assert formatted(second)[0][1].strip() == code.strip()
    assert second.text.endswith("The end.")


def test_code_longer_than_a_message_is_cut_at_lines() -> None:
    lines = [f"line_{number} = {number}" for number in range(1000)]
    code = "\n".join(lines)
    pieces = render(f"```python\n{code}\n```")
    assert len(pieces) > 2
    for piece in pieces:
        assert [(entity.type, entity.language) for entity in piece.entities] == [(MessageEntity.PRE, "python")]
    assert "\n".join(piece.text for piece in pieces) == code


def test_any_markdown_gives_messages_that_telegram_takes() -> None:
    dice = random.Random(1)
    marks = ["**", "_", "`", "```\n", "\n\n", "\n", "# ", "- ", "> ", "|", "||", "$", "~~", "\\", "\t", "1. "]
    words = ["<b>", "<!--", "-->", "&lt;", "🙂", "word ", "Sentence. ", "|a|b|\n|-|-|\n", "[x](http://a.example)"]
    for _ in range(150):
        text = "".join(dice.choices(marks + words, k=dice.randint(1, 2000)))
        for piece in render(text):
            length = utf16(piece.text)
            assert piece.text.strip()
            assert length <= LIMIT
            for entity in piece.entities:
                assert entity.length > 0
                assert 0 <= entity.offset <= entity.offset + entity.length <= length
            formatted(piece)  # decodes, so no entity begins or ends within a pair
