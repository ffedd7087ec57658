"""Clean the texts that sources and models give: no markup, no control characters, no file names."""

import re
import unicodedata

from byline.catalog.html_text import without_markup
from byline.catalog.nothing import is_nothing, is_untitled
from byline.catalog.text import nfc

_FILE_PREFIX = re.compile(r"^\s*(?:file|image|datei|fichier|archivo)\s*:\s*(?=\S.*\.\w{3,4}\s*$)", re.IGNORECASE)
_FILE_EXTENSION = re.compile(
    r"(?<=\w)\.(?:jpe?g|png|gif|webp|svgz?|tiff?|bmp|avif|heic|nef|cr2|dng|xcf)\s*$", re.IGNORECASE
)
_CAMERA_NAME = re.compile(
    r"_?(?:img|imag|image|dsc[nf]?|dscf?|sdc|pict?|p|mg|mvi|pxl|sam|cimg|gopr|dji|wp|photo|picture|scan|untitled)?"
    r"[\s_-]*\d[\d\s_()-]*[a-z]?",
    re.IGNORECASE,
)
_MACHINE_TAG = re.compile(r"\w+:\w+=")
_JOINERS = "\u200c\u200d"  # Persian, Indic scripts and emoji are misspelled without them
_WORD_ENDS = " ,;:.!?)"


def clean_caption(text: str, max_characters: int) -> str:
    """Return `text` as one line of plain words, at most `max_characters` long, cut at a word's end.

    HTML tags and entities are resolved; control, formatting and private characters are gone; white space and
    underscores are single spaces; a `File:` prefix and an image's file extension are removed. Letters of every script,
    case and punctuation stay ("flag: Japan"), in NFC. Never raises.
    """
    plain = without_markup(text)
    plain = _FILE_EXTENSION.sub("", _FILE_PREFIX.sub("", plain)).replace("_", " ")
    kept = "".join(map(_visible, nfc(plain)))
    return _cut(nfc(" ".join(kept.split())), max_characters)


def clean_title(text: str, max_characters: int) -> str:
    """Return the caption that a title makes; empty when it is only a camera's file name ("IMG_2034.JPG"), or a
    word for nothing ("untitled", `nan`)."""
    title = clean_caption(text, max_characters)
    return "" if _CAMERA_NAME.fullmatch(title) or is_untitled(title) else title


def clean_tags(tags: tuple[str, ...], max_characters: int) -> str:
    """Return tags as one comma-separated caption, each once, in their order, whole ones only.

    Words for nothing (`nan`, `-`) are left out, and machine tags ("geo:lat=52.1"): they describe no picture, and often
    a private place.
    """
    plain = (clean_caption(tag, max_characters) for tag in tags if not _MACHINE_TAG.match(tag))
    caption = ""
    for tag in dict.fromkeys(tag for tag in plain if not is_nothing(tag)):
        longer = f"{caption}, {tag}" if caption else tag
        if len(longer) > max_characters:
            break
        caption = longer
    return caption


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if character.isspace():
        return " "
    if category in ("Cc", "Cf", "Co", "Cs") and character not in _JOINERS:
        return ""
    return character


def _cut(text: str, max_characters: int) -> str:
    if len(text) <= max_characters:
        return text
    head = text[:max_characters]
    if text[max_characters] not in _WORD_ENDS and " " in head:
        head = head[: head.rindex(" ")]
    return head.rstrip(" ,;:-\u2013\u2014(")
