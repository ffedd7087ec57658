"""Take a license claim apart: its links, its words in one spelling, and signs that it must not be read. No tables.

Markup is read only as far as it cannot change what is said: text that is struck out, hidden or commented out, or a tag
that is none (`<no AI training>`), leaves its `<` among the words, which no rule reads.
"""

import html
import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote

from byline.catalog.licenses.names import FILLER, REWRITES
from byline.catalog.text import in_form

MAX_CHARACTERS = 2000
"""Longest claim, in Unicode NFKC, in which one character may become eighteen. A longer text is not read at all."""
_HARMLESS_TAGS = frozenset(
    "a abbr address article b bdi big blockquote br center code dd div dl dt em figcaption figure font h1 h2 h3 h4 h5"
    " h6 hr i img li link ol p section small span strong table tbody td th tr tt u ul".split()
)
_HARMLESS_ATTRIBUTES = frozenset(
    "border class datatype dir height href id itemprop lang loading property rel src style target title alt typeof"
    " decoding width".split()
)
_ATTRIBUTE = r"""\s+[\w:-]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>`]+))?"""
_TAG = re.compile(rf"</?([a-zA-Z][a-zA-Z0-9]*)((?:{_ATTRIBUTE})*)\s*/?>")
_NAME_AND_VALUE = re.compile(r"""([\w:-]+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s"'<>`]+))?""")
_CLASS = re.compile(r"(?!.*(?:clip|delet|hid|invis|none|obsolete|reader|sr-|str[iu][kc]|through))[\w -]*", re.I)
_STYLE = re.compile(
    r"\s*(?:(?:border[a-z-]*|margin[a-z-]*|padding[a-z-]*|vertical-align|font-weight|font-style|white-space|max-[a-z]+)"
    r"\s*:[\w.%! -]*(?<!-\d)|(?:height|width)\s*:\s*[1-9][\w.%!]*|display\s*:\s*(?:inline|inline-block|block)"
    r"|text-decoration\s*:\s*(?:none|underline))?\s*",
    re.I,
)
_BUTTON = re.compile(
    r"(?:https?:)?//(?:i\.creativecommons\.org|licensebuttons\.net)/([lp])/([a-z+-]+)/(\d\.\d)/[\w./-]+", re.I
)
_URL = re.compile(
    r"""(?:https?:)?//[^\s<>"']+|(?<![\w.@/-])(?:www\.)?(?:creativecommons|rightsstatements|web\.resource)\.org/[^\s<>"']*""",
    re.I,
)
_ANGLED_URL = re.compile(r"<((?:https?:)?//[^<>\s]*)>", re.I)
_BACKGROUND = re.compile(
    r"(?:https?:)?//(?:(?:[a-z-]+\.)?(?:m\.)?wikipedia\.org/wiki/(?:[a-z]{2,3}:)?"
    r"(?:creative_commons(?:_licen[cs]es?)?|public_domain|gnu_free_documentation_license)"
    r"|purl\.org/dc/dcmitype/\w+)",
    re.I,
)
_WIKI_PREFIX = re.compile(r"^(?:w:|commons:)?(?:[a-z]{2}:)?", re.I)
_UNSURE = re.compile(
    r"\.\.|[-\u2010-\u2015(\[{&]\s*$"  # cut off
    r"|[,;:()\[\]]\s*(?:\d+(?![\d.])|no\b)"  # a footnote ("CC BY [3]") is no version, a "(no)" no Norwegian port
)
_ODD_DIGIT = re.compile(r"[^\x00-\x7f\uff10-\uff19]")
_SEPARATORS = re.compile(r"""[-\u2010-\u201d_,:;()\[\]"']|(?<!\d)\.|\.(?!\d)""")
_VERSION_LIST = re.compile(r"(?<![\d.])\d\.\d(?:[,-] ?\d\.\d)+(?![\d.])")
_RUN_TOGETHER = re.compile(r"(cc)?(by)?(nc)?(sa|nd)?")
_RESTRICTION = re.compile(r"no[nt]?[\W_]*(?:for[\W_]*)?comm|no[\W_]*deriv")
_COMPILED = [(re.compile(pattern), replacement) for pattern, replacement in REWRITES]
_FILLER = re.compile(FILLER)


@dataclass(frozen=True)
class Claim:
    """The parts of a claim."""

    links: tuple[str, ...]
    """URLs: in links, in the text, and those that license buttons stand for."""
    name: str
    """The other words, normalized; `?` when they must not be read."""
    captions: tuple[str, ...]
    """Normalized titles and alternative texts that say something."""
    plain: str
    """The text without markup, lower case."""
    is_blank: bool


def is_too_long(text: str) -> bool:
    """Tell whether a text is longer than a claim may be."""
    return len(text) > MAX_CHARACTERS or len(_folded(text)) > MAX_CHARACTERS


def take_apart(text: str) -> Claim:
    """Return the parts of a claim; of one that is too long, that its words must not be read. Never raises."""
    if is_too_long(text):
        return Claim(links=(), name="?", captions=(), plain="?", is_blank=False)
    links: list[str] = []
    captions: list[str] = []
    has_image = False

    def replace(match: re.Match[str]) -> str:
        nonlocal has_image
        tag = match[1].lower()
        attributes = [
            (name.lower(), html.unescape(value).strip("\"'") if value else "")
            for name, value in _NAME_AND_VALUE.findall(match[2])
        ]
        if tag not in _HARMLESS_TAGS or not all(_is_harmless(name, value) for name, value in attributes):
            return match[0]
        has_image |= tag == "img"
        for name, value in attributes:
            if name == "href":
                links.append(value)
            elif name == "src" and (button := _BUTTON.fullmatch(value)):
                folder = "publicdomain" if button[1].lower() == "p" else "licenses"
                links.append(f"https://creativecommons.org/{folder}/{button[2]}/{button[3]}/")
            elif name in ("alt", "title"):
                captions.append(_sure_words(_WIKI_PREFIX.sub("", value)))
        return " "

    marked = _TAG.sub(replace, _ANGLED_URL.sub(r" \1 ", text))
    plain = html.unescape(marked).strip("\ufeff\u200b\u200e\u200f \t\r\n\xa0")
    urls = [url.rstrip(".,;:)]}") for url in _URL.findall(plain)]
    is_blank = not (plain.strip() or links or captions or has_image)
    return Claim(
        links=tuple(link for link in links if not _BACKGROUND.fullmatch(link)) + tuple(urls),
        name=_sure_words(plain),
        captions=tuple(caption for caption in captions if caption not in ("", "cc")),
        plain=plain.lower(),
        is_blank=is_blank,
    )


def normalized(text: str) -> str:
    """Return the words of a name in one spelling, without those that say nothing.

    A list of versions becomes `3.0 V 2.5`: no text can say `V` itself, since letters are folded first.
    """
    folded = re.sub(r"(?<=_)(\d)_(\d)$", r"\1.\2", _folded(text))  # GBIF's CC_BY_4_0
    folded = _VERSION_LIST.sub(lambda match: re.sub("[,-] ?", "V", match[0]), folded)
    spaced = " ".join(_SEPARATORS.sub(" ", folded).split())
    for pattern, replacement in _COMPILED:
        spaced = pattern.sub(replacement, spaced)
    words = re.findall(r"[^\W\d_]+|\d+(?:\.\d+)*|\S", _FILLER.sub(" ", spaced))
    parts = [match.groups() if (match := _RUN_TOGETHER.fullmatch(w)) else (w,) for w in words]
    return " ".join(part for word in parts for part in word if part)


def mentions_restriction(text: str) -> bool:
    """Tell whether NonCommercial or NoDerivatives is named anywhere, markup and the insides of URLs included.

    Of a text that is longer than a claim may be, so far.
    """
    text = text[:MAX_CHARACTERS]
    bare = _folded(unquote(html.unescape(html.unescape(text))))
    bare = "".join(c for c in bare if unicodedata.category(c) not in ("Cf", "Mn"))
    if _RESTRICTION.search(bare):
        return True
    words = re.findall(r"(?<![^\W\d_])(?:by|cc|nc|nd|sa)+(?![^\W\d_])", bare)
    return any(word[at : at + 2] in ("nc", "nd") for word in words for at in range(0, len(word), 2))


def _sure_words(plain: str) -> str:
    """Return the normalized words outside URLs, or `?` where something says that the words are not all."""
    if _UNSURE.search(_folded(plain)) or _has_odd_digit(plain):
        return "?"
    return normalized(_URL.sub(" ", plain))


def _folded(text: str) -> str:
    return in_form("NFKC", text).casefold()


def _has_odd_digit(text: str) -> bool:
    """Tell whether a superscript, a circled or a foreign digit is there, which NFKC would make a plain one."""
    return any(unicodedata.numeric(c, None) is not None for c in _ODD_DIGIT.findall(text))


def _is_harmless(name: str, value: str) -> bool:
    """Tell whether an attribute can neither hide the text nor say something that is not read."""
    if name == "class":
        return _CLASS.fullmatch(value) is not None
    if name == "style":
        return all(_STYLE.fullmatch(part) for part in value.split(";"))
    return name in _HARMLESS_ATTRIBUTES or name.startswith("xmlns:")
