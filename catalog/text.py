"""Text from outside, made fit to show: no markup, no control characters, one line."""

import re
import unicodedata
import warnings
from typing import Any

BREAKS = frozenset({"Cc", "Zl", "Zp"})
TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Bidirectional embeddings, overrides and isolates: they can make a credit read backwards."""

INLINE = frozenset("a abbr b bdi code em font i small span strong sub sup u".split())
"""Elements that do not break a line: the words beside them are one text."""

_HIDING = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse))\b", re.IGNORECASE)


def plain_text(html: str) -> str:
    """Return what a reader would see of an HTML fragment, on one line. Every script is kept.

    >>> plain_text('<a href="https://example.org">Ada\\n Lovelace</a> &amp; others')
    'Ada Lovelace & others'
    """
    return one_line(without_markup(html))


def without_markup(html: str) -> str:
    """Return the text of an HTML fragment; elements that break a line become spaces. Never raises."""
    if "<" not in html and "&" not in html:
        return html
    from bs4 import BeautifulSoup, MarkupResemblesLocatorWarning  # 0.1 s that most commands need not wait for

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MarkupResemblesLocatorWarning)  # a title may look like a URL or a file
        soup = BeautifulSoup(html.replace("<![", "["), "html.parser")  # the parser stumbles over marked sections
    for element in soup.find_all(_is_unseen):
        element.decompose()
    for element in soup.find_all(lambda tag: tag.name not in INLINE):
        element.insert_before(" ")
        element.insert_after(" ")
    return soup.get_text()


def _is_unseen(element: Any) -> bool:
    """Tell whether a browser would show nothing of an element: Wikimedia Commons hides statements for machines so."""
    is_hidden = element.has_attr("hidden") or _HIDING.search(str(element.get("style", ""))) is not None
    return is_hidden or element.name in ("script", "style", "template")


def one_line(text: str) -> str:
    """Return `text` in Unicode NFC, with single spaces, and safe to show on a page or a terminal.

    Control characters and line breaks become spaces; surrogates and what turns the direction of writing go.
    """
    if text.isprintable():  # then none of the characters below is in it
        return " ".join(unicodedata.normalize("NFC", text).split())
    visible = (" " if unicodedata.category(char) in BREAKS else char for char in text if char not in TURNS)
    whole = (char for char in visible if unicodedata.category(char) != "Cs")
    return " ".join(unicodedata.normalize("NFC", "".join(whole)).split())
