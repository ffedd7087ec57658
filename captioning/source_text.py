"""Caption an image with what its source says: the title, else the tags."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, Field

from byline.captioning.captioners import Caption, CaptionRequest, InBatches
from byline.captioning.hygiene import clean_tags, clean_title
from byline.catalog.corpora.facts import instrument_name

_VERSION = "2"


class SourceTextConfig(BaseModel, frozen=True, extra="forbid"):
    """Captions from the source's own words: free, but only as good as the source."""

    captioner: Literal["source-text"] = "source-text"
    max_characters: int = Field(default=300, ge=8)
    """Longer captions are cut at a word's end. CLIP reads 77 tokens, about 300 characters."""


class SourceTextCaptioner(InBatches):
    """Writes the cleaned title; the tags when the title is missing or is a camera's file name; else nothing."""

    needs_pixels = False

    def __init__(self, config: SourceTextConfig) -> None:
        self.config = config

    @property
    def instrument(self) -> str:
        return instrument_name("source-text", _VERSION, self.config.model_dump(mode="json"))

    def caption(self, batch: Sequence[CaptionRequest]) -> list[str]:
        limit = self.config.max_characters
        return [clean_title(request.title, limit) or clean_tags(request.tags, limit) for request in batch]

    def attributed(self, text: str) -> Caption:
        return Caption(text=text, model="source-text", revision=_VERSION, prompt="", decoding="{}", seed=0)
