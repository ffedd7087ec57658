"""The text of an HTML fragment, in time that grows with its length alone, whatever the fragment. Never raises.

A tokenizer in the manner of the HTML standard, for titles, names and descriptions as sources give them. No text is gone
through twice: what was looked for once and not found (the end of a comment, of a quoted value) is not looked for again.
"""

import html
import re
from collections import Counter
from collections.abc import Iterator

MAX_CHARACTERS = 1 << 17
"""Characters of a fragment that are read; later ones are not. No name and no caption is that long."""
INLINE = frozenset("a abbr b bdi code em font i small span strong sub sup u".split())
"""Elements that do not break a line: the words beside them are one text."""
_EMPTY = frozenset("area base br col embed hr img input link meta param source track wbr".split())
"""Elements that hold nothing and have no end."""
_UNSEEN = frozenset(("script", "style", "template"))
_RAW = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in ("script", "style")}
"""Elements whose content has no tags, and how each ends."""
_MARKUP = re.compile(r"<(?:/?[a-zA-Z]|!--|[!/?])")
_COMMENT_END = re.compile(r"--!?>")
_NAME = re.compile(r"[^\s/>]+")
_STOP = re.compile(r""">|=\s*(["'])""")
_ATTRIBUTE = re.compile(r"""([^\s/>=]+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s>]*))?""")
_TOO_LARGE = re.compile(r"&#\d{20,};?")
"""Numbers of no character, some of them too long for Python."""
_HIDING = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse))\b", re.IGNORECASE)


def without_markup(text: str) -> str:
    """Return what a browser would show of a fragment; elements that break a line become spaces.

    What is hidden or commented out is gone; a tag that does not end is text.
    """
    text = text[:MAX_CHARACTERS]
    if "<" not in text and "&" not in text:
        return text
    shown: list[str] = []
    elements = _Elements()
    for kind, value in _tokens(text.replace("<![", "[")):
        if kind == "text" and not elements.are_hidden:
            shown.append(_unescaped(value))
        elif kind == "start":
            name, is_hidden = _read_tag(value)
            shown.append(elements.start(name, is_hidden=is_hidden))
        elif kind == "end":
            shown.append(elements.end(value))
    return "".join(shown)


class _Elements:
    """The elements that are open."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._counts: Counter[str] = Counter()
        self._hidden_from: int | None = None
        """Depth of the outermost element that is not shown."""

    @property
    def are_hidden(self) -> bool:
        return self._hidden_from is not None

    def start(self, name: str, *, is_hidden: bool) -> str:
        """Open an element; return what it puts between words."""
        if name not in _EMPTY:
            if is_hidden and self._hidden_from is None:
                self._hidden_from = len(self._open)
            self._open.append(name)
            self._counts[name] += 1
        return "" if self.are_hidden or is_hidden or name in INLINE else " "

    def end(self, name: str) -> str:
        """Close the innermost element of this name, and those in it; nothing where none is open."""
        between = ""
        while self._counts[name]:
            closed = self._open.pop()
            self._counts[closed] -= 1
            if self._hidden_from is None:
                between = between if closed in INLINE else " "
            elif self._hidden_from == len(self._open):
                self._hidden_from = None
            if closed == name:
                break
        return between


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Yield `text`, `start` (all of a tag) and `end` (a name), in order, without what a browser leaves out."""
    tags, at = _Tags(text), 0
    while match := _MARKUP.search(text, at):
        yield "text", text[at : match.start()]
        opening, at = match[0], match.start()
        if opening == "<!--":
            end = _COMMENT_END.search(text, at + 2)
            at = end.end() if end else len(text)
            continue
        after = tags.end_of(at)
        if after is None:  # no tag ends any more
            break
        tag, at = text[match.start() : after], after
        if opening[1] not in "!?/":
            yield "start", tag
            name = _name_of(tag, 1)
            if name in _RAW:
                end = _RAW[name].search(text, at)
                at = end.start() if end else len(text)
        elif opening[1] == "/" and len(opening) == 3:
            yield "end", _name_of(tag, 2)
    yield "text", text[at:]


class _Tags:
    """Where tags end. A `>` in quotes ends none, unless the quotes have no end either."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._has_quotes = True

    def end_of(self, start: int) -> int | None:
        """Return the place after a tag, none where nothing ends it."""
        at = start
        while self._has_quotes:
            stop = _STOP.search(self._text, at)
            if stop is None:
                break
            if stop[1] is None:
                return stop.end()
            closing = self._text.find(stop[1], stop.end())
            if closing < 0:
                break
            at = closing + 1
        self._has_quotes = False  # the next tag would come to the same end: this is looked for once
        plain = self._text.find(">", start)
        return plain + 1 if plain >= 0 else None


def _name_of(tag: str, start: int) -> str:
    match = _NAME.match(tag, start)
    return match[0].lower() if match else ""


def _read_tag(tag: str) -> tuple[str, bool]:
    """Return the name of an element, and whether a browser would show nothing of it: Wikimedia Commons hides statements
    for machines so."""
    name = _name_of(tag, 1)
    if name in _UNSEEN:
        return name, True
    for attribute in _ATTRIBUTE.finditer(tag, 1 + len(name), len(tag) - 1):
        if attribute[1].lower() == "hidden":
            return name, True
        if attribute[1].lower() == "style" and _HIDING.search(_unescaped((attribute[2] or "").strip("\"'"))):
            return name, True
    return name, False


def _unescaped(text: str) -> str:
    return html.unescape(_TOO_LARGE.sub("\ufffd", text))
