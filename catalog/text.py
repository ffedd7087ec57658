"""Text from outside, made fit to show: no markup, no control characters, one line."""

import unicodedata
from collections.abc import Iterator
from typing import Literal

from byline.catalog.html_text import without_markup

BREAKS = frozenset({"Cc", "Zl", "Zp"})
TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Bidirectional embeddings, overrides and isolates: they can make a credit read backwards."""


def plain_text(html: str) -> str:
    """Return what a reader would see of an HTML fragment, on one line. Every script is kept.

    >>> plain_text('<a href="https://example.org">Ada\\n Lovelace</a> &amp; others')
    'Ada Lovelace & others'
    """
    return one_line(without_markup(html))


MAX_MARKS = 30
"""Most combining marks in a row, as in Unicode's stream-safe format. Sorting a long row of them takes its square."""
_FEW_CHARACTERS = 1000
_BECOME_MARKS = frozenset("\u0f73\u0f75\u0f81\uff9e\uff9f")
"""What is no mark itself, and nothing but marks in another form."""


def one_line(text: str) -> str:
    """Return `text` in Unicode NFC, with single spaces, and safe to show on a page or a terminal.

    Control characters and line breaks become spaces; surrogates and what turns the direction of writing go.
    """
    if text.isprintable():  # then none of the characters below is in it
        return " ".join(nfc(text).split())
    visible = (" " if unicodedata.category(char) in BREAKS else char for char in text if char not in TURNS)
    whole = (char for char in visible if unicodedata.category(char) != "Cs")
    return " ".join(nfc("".join(whole)).split())


def nfc(text: str) -> str:
    """Return `text` in Unicode NFC, in time that grows with its length: see `in_form`."""
    return in_form("NFC", text)


def in_form(form: Literal["NFC", "NFKC", "NFKD"], text: str) -> str:
    """Return `text` in a form of Unicode, in time that grows with its length: of a long one without its marks after the
    30th in a row, which no script has."""
    is_short = len(text) <= _FEW_CHARACTERS or text.isascii()
    return unicodedata.normalize(form, text if is_short else "".join(_few_marks(text)))


def _few_marks(text: str) -> Iterator[str]:
    in_a_row = 0
    for char in text:
        in_a_row = in_a_row + 1 if unicodedata.combining(char) or char in _BECOME_MARKS else 0
        if in_a_row <= MAX_MARKS:
            yield char
