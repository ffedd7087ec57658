"""Texts from outside, made harmless for what they are put into: plain text, Markdown, JSON. Of HTML `pages` knows."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from byline.catalog.text import one_line
from byline.pages.html import safe_url

_PUNCTUATION = re.compile(r"([\\`*_{}\[\]<>()#+!|~&:@$^=])")
_SAFE_URL = re.compile(r"[\w%/:?#@!$&'*+,;=~.-]+", re.ASCII)
_CODE = re.compile(r"[\w][\w.:/+@ ,='\"-]*", re.ASCII)


def plain(text: str | None) -> str:
    """Return a text as one line of plain text: it cannot end its line, move a cursor or turn the reading direction."""
    if text and text.isascii() and text.isprintable():  # most are, and a release has millions of them
        return " ".join(text.split())
    return one_line(text or "")


def plain_url(url: str | None) -> str | None:
    """Return a URL without white space and brackets, for a line of text or a Markdown link; none when it is unsafe."""
    safe = safe_url(plain(url))
    if safe and _SAFE_URL.fullmatch(safe):
        return safe
    return quote(safe, safe="%/:?#@!$&'*+,;=~[]-._") if safe else None


def markdown(text: object) -> str:
    """Return a text that Markdown (GitHub's too) shows as it is: no markup, link, mention, cell or front matter."""
    escaped = _PUNCTUATION.sub(r"\\\1", plain(str(text)))
    return re.sub(r"(?i)\bwww\.", r"www\\.", escaped)


def markdown_code(text: str) -> Markup:
    """Return a text as Markdown code where it can be; otherwise escaped."""
    line = plain(text)
    return Markup(f"`{line}`" if _CODE.fullmatch(line) else markdown(line))


def markdown_link(text: str, url: str | None) -> Markup:
    """Return a Markdown link, or only the text when the URL may not be linked."""
    safe = plain_url(url)
    return Markup(f"[{markdown(text)}](<{safe}>)" if safe else markdown(text))


def finalized(value: object) -> str:
    """Escape what a Markdown template puts out, unless it was made safe."""
    return str(value) if isinstance(value, Markup) else markdown(value)


def json_bytes(value: Any) -> bytes:
    """Return plain data as JSON for people to read, in the order of its keys, each text as `plain` leaves it."""
    return json.dumps(_plain_data(value), ensure_ascii=False, indent=1).encode() + b"\n"


def _plain_data(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain_data(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_data(item) for item in value]
    return plain(value) if isinstance(value, str) else value


def markdown_templates(package: str) -> Environment:
    """Return the Markdown templates of a package. Whatever they put out is escaped unless it was made safe."""
    environment = Environment(
        loader=PackageLoader(package, "."),
        undefined=StrictUndefined,
        finalize=finalized,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"thousands": lambda number: f"{number:,}", "code": markdown_code}
    environment.globals["link"] = markdown_link
    return environment
