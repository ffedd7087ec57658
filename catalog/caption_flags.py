"""What is wrong with a caption, told by its words alone. Facts: which of it matters, the policy says."""

import re
from functools import lru_cache
from itertools import pairwise
from typing import Literal, get_args

from byline.catalog.nothing import is_nothing, is_untitled

CaptionFlag = Literal["url", "mark", "nothing", "repeats", "creator", "name"]
CAPTION_FLAGS: tuple[CaptionFlag, ...] = get_args(CaptionFlag)
"""What can be wrong with a caption, in the order of its bit. New ones come last."""
_URL = re.compile(
    r"https?://|\bwww\.|\b[\w.+-]+@[\w-]+\.\w|\b[\w-]+\.(?:com|net|org|info|io|co\.uk|de|fr|ru|cn|jp)\b", re.IGNORECASE
)
_MARK = re.compile(
    r"©|\bcopyright\b|\ball rights reserved\b|\bgetty\s?images\b|\bshutterstock\b|\balamy\b|\bistock(?:photo)?\b"
    r"|\badobe stock\b|\bdreamstime\b|\bdepositphotos\b|\b123rf\b|\broyalty[- ]free\b"
    r"|\bstock (?:photo(?:graph(?:y|s)?|s)?|images?|footage|illustrations?|vectors?)\b",
    re.IGNORECASE,
)
_IN_MARKS = ("©", "copyr", "reserved", "getty", "alamy", "stock", "dreamst", "depo", "123rf", "royalty")
"""What has none of these, in small letters, has no mark: which is quicker to tell."""
_NOT_OF_THE_PICTURE = re.compile(
    r"\b(?:iphone|android|ipad|desktop|mobile|phone|hd|4k|full hd)\b(?:\W+\w+){0,3}\W+(?:wall\s?papers?|backgrounds?)\b"
    r"|\bwall\s?papers?\W+(?:for|hd|4k)\b|\bclick here\b|\bimage may contain\b|\bno photo description\b"
    r"|\b(?:free )?download\b",
    re.IGNORECASE,
)
_WORDS = re.compile(r"\w+")
_ADDRESSED = re.compile(
    r"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Professor|President|Senator|Minister|Chancellor|Sir|Lady|King|Queen|Prince|Princess"
    r"|Pope|Saint|Captain|General|Colonel|Herr|Frau|Monsieur|Madame|Señora?)\b\.?\s+(?=[^\W\d_a-z])\w+"
)
"""How a person is addressed, and a name."""
TIMES = 3
"""So often in a row, the same words are a model that is stuck."""
LONGEST_REPEAT = 4
"""Words."""
LEAST_CAPITALIZED = 0.8
"""Share of the words of a title with a capital that make it a headline, whose capitals tell no names."""
LONGEST_ARTICLE = 3
LEAST_NAME = 4
"""Characters of a name that is looked for: a shorter one is a word too often."""


def caption_flags(text: str, creator: str = "", title: str = "") -> int:
    """Return what is wrong with the caption of a picture by `creator`, a bit for each of `CAPTION_FLAGS`.

    `url`: an address of the web or of mail. `mark`: an agency's name, or words of ownership. `nothing`: a word for
    nothing, or words about a download and no picture, as "iphone 6 wallpaper". `repeats`: the same words three times in
    a row. `creator`: it names whose picture it is; that belongs into the credit. `name`: it names somebody with how
    they are addressed ("President Ito"), or has two words in a row that `title`, the picture's own, writes with
    capitals amid others that it does not: a name, of a person, a place or a thing, which capitals do not tell apart.
    """
    words = [word.casefold() for word in _WORDS.findall(text)]
    flags = {
        "url": ("." in text or "://" in text) and bool(_URL.search(text)),
        "mark": any(map(text.casefold().__contains__, _IN_MARKS)) and bool(_MARK.search(text)),
        "nothing": bool(text) and (is_untitled(text) or bool(_NOT_OF_THE_PICTURE.search(text))),
        "repeats": _repeats(words),
        "creator": _names(words, creator),
        "name": bool(_ADDRESSED.search(text)) or any(_has(words, name) for name in _names_in(title)),
    }
    return sum(1 << bit for bit, name in enumerate(CAPTION_FLAGS) if flags[name])


def flag_names(flags: int) -> tuple[str, ...]:
    """Return the names of the bits."""
    return tuple(name for bit, name in enumerate(CAPTION_FLAGS) if flags >> bit & 1)


def _repeats(words: list[str]) -> bool:
    if len(set(words)) == len(words):
        return False
    for length in range(1, LONGEST_REPEAT + 1):
        num_same = 0  # words in a row that stand `length` words before, too
        for word, later in zip(words, words[length:], strict=False):
            num_same = num_same + 1 if word == later else 0
            if num_same == (TIMES - 1) * length:
                return True
    return False


def _names(words: list[str], creator: str) -> bool:
    name = _name_of(creator)
    return bool(name) and _has(words, name)


@lru_cache(maxsize=1 << 12)
def _name_of(creator: str) -> list[str]:
    """Return the words that name a creator; none where they say nothing."""
    name = [word.casefold() for word in _WORDS.findall(creator)]
    return [] if sum(map(len, name)) < LEAST_NAME or is_nothing(creator) else name


def _has(words: list[str], run: list[str]) -> bool:
    return any(words[start : start + len(run)] == run for start in range(len(words) - len(run) + 1))


def _names_in(title: str) -> list[list[str]]:
    """Return each two words in a row that a title writes with capitals; not an article that it begins with."""
    words = _WORDS.findall(title)
    capitals = [word[0].isupper() and not word.isupper() for word in words]
    if not words or sum(capitals) >= LEAST_CAPITALIZED * sum(word[0].isalpha() for word in words):
        return []
    capitals[0] &= len(words[0]) > LONGEST_ARTICLE
    pairs = zip(pairwise(words), pairwise(capitals), strict=True)
    return [[word.casefold() for word in pair] for pair, are_capitals in pairs if all(are_capitals)]
