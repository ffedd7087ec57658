"""Text from outside, made fit to show: no markup, no control characters, one line."""

import unicodedata

from bs4 import BeautifulSoup


def plain_text(html: str) -> str:
    """Return what a reader would see of an HTML fragment, on one line. Every script is kept."""
    return one_line(BeautifulSoup(html, "html.parser").get_text(" ") if "<" in html or "&" in html else html)


def one_line(text: str) -> str:
    """Return `text` in Unicode NFC, without control and format-breaking characters, with single spaces."""
    visible = (" " if unicodedata.category(char) in {"Cc", "Zl", "Zp"} else char for char in text)
    return " ".join(unicodedata.normalize("NFC", "".join(visible)).split())
