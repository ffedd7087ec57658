"""Text from outside, made fit to show: no markup, no control characters, one line."""

import unicodedata

from bs4 import BeautifulSoup

BREAKS = frozenset({"Cc", "Zl", "Zp"})
TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Bidirectional embeddings, overrides and isolates: they can make a credit read backwards."""


def plain_text(html: str) -> str:
    """Return what a reader would see of an HTML fragment, on one line. Every script is kept."""
    return one_line(BeautifulSoup(html, "html.parser").get_text(" ") if "<" in html or "&" in html else html)


def one_line(text: str) -> str:
    """Return `text` in Unicode NFC, with single spaces, and safe to show on a page or a terminal.

    Control characters and line breaks become spaces; surrogates and what turns the direction of writing go.
    """
    visible = (" " if unicodedata.category(char) in BREAKS else char for char in text if char not in TURNS)
    whole = (char for char in visible if unicodedata.category(char) != "Cs")
    return " ".join(unicodedata.normalize("NFC", "".join(whole)).split())
