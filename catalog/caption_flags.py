"""What is wrong with a caption, told by its words alone. Facts: which of it matters, the policy says."""

import re
from itertools import pairwise
from typing import Literal, get_args

from byline.catalog.nothing import is_nothing, is_untitled

CaptionFlag = Literal["url", "mark", "nothing", "repeats", "creator"]
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
_NOT_OF_THE_PICTURE = re.compile(
    r"\b(?:iphone|android|ipad|desktop|mobile|phone|hd|4k|full hd)\b(?:\W+\w+){0,3}\W+(?:wall\s?papers?|backgrounds?)\b"
    r"|\bwall\s?papers?\W+(?:for|hd|4k)\b|\bclick here\b|\bimage may contain\b|\bno photo description\b"
    r"|\b(?:free )?download\b",
    re.IGNORECASE,
)
_WORDS = re.compile(r"\w+")
TIMES = 3
"""So often in a row, the same words are a model that is stuck."""
LONGEST_REPEAT = 4
"""Words."""
LEAST_NAME = 4
"""Characters of a name that is looked for: a shorter one is a word too often."""


def caption_flags(text: str, creator: str = "") -> int:
    """Return what is wrong with the caption of a picture by `creator`, a bit for each of `CAPTION_FLAGS`.

    `url`: an address of the web or of mail. `mark`: an agency's name, or words of ownership. `nothing`: a word for
    nothing, or words about a download and no picture, as "iphone 6 wallpaper". `repeats`: the same words three times in
    a row. `creator`: it names whose picture it is; that belongs into the credit.
    """
    words = [word.casefold() for word in _WORDS.findall(text)]
    flags = {
        "url": bool(_URL.search(text)),
        "mark": bool(_MARK.search(text)),
        "nothing": bool(text) and (is_untitled(text) or bool(_NOT_OF_THE_PICTURE.search(text))),
        "repeats": _repeats(words),
        "creator": _names(words, creator),
    }
    return sum(1 << bit for bit, name in enumerate(CAPTION_FLAGS) if flags[name])


def flag_names(flags: int) -> tuple[str, ...]:
    """Return the names of the bits."""
    return tuple(name for bit, name in enumerate(CAPTION_FLAGS) if flags >> bit & 1)


def _repeats(words: list[str]) -> bool:
    for length in range(1, LONGEST_REPEAT + 1):
        pieces = [words[start : start + length] for start in range(len(words) - length + 1)]
        for first in range(len(pieces) - (TIMES - 1) * length):
            run = pieces[first : first + (TIMES - 1) * length + 1 : length]
            if all(piece == other for piece, other in pairwise(run)):
                return True
    return False


def _names(words: list[str], creator: str) -> bool:
    name = [word.casefold() for word in _WORDS.findall(creator)]
    if sum(map(len, name)) < LEAST_NAME or is_nothing(creator):
        return False
    return any(words[start : start + len(name)] == name for start in range(len(words) - len(name) + 1))
