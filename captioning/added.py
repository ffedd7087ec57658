"""Captioners that people add: classes whose fields are their settings, entry points of the group `byline.captioners`.

class Loud(CaptionWriter):
    def caption(self, batch: Sequence[CaptionRequest]) -> list[str]:
        return [request.title.upper() for request in batch]
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, field_validator

from byline.captioning.captioners import Caption, CaptionRequest, InBatches
from byline.captioning.hygiene import clean_caption
from byline.catalog.configs.extensions import CAPTIONERS, Extension, extension, in_a_line
from byline.catalog.corpora.facts import instrument_name
from byline.catalog.digests import canonical_json
from byline.catalog.errors import ExtensionError

OURS = ("source-text", "blip2", "transformers", "openai")
"""Captioners of byline itself."""
MAX_CHARACTERS = 1000


class CaptionWriter(BaseModel):
    """Writes captions. Its fields are its settings, the other keys of `[caption]` in a corpus config."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    needs_pixels: ClassVar[bool] = False
    """Whether requests must carry the image. Captions are then kept by picture, else by title, description and tags."""

    def caption(self, batch: Sequence[CaptionRequest]) -> list[str]:
        """Return one caption for each request, in their order; empty when there is nothing to say.

        Equal requests must give equal captions, whatever batch they come in. Weights are best loaded by the first call
        (`functools.cached_property` works): a config is made on machines that caption nothing.
        """
        raise NotImplementedError


class AddedConfig(BaseModel, frozen=True, extra="allow"):
    """A captioner that people added, by its name, and its settings as they are written; it checks them itself."""

    captioner: str

    @field_validator("captioner")
    @classmethod
    def _installed(cls, name: str) -> str:
        extension(CAPTIONERS, name, OURS)
        return name

    @property
    def settings(self) -> dict[str, Any]:
        """All but its name."""
        return self.model_extra or {}


class AddedCaptioner(InBatches):
    """A `captioners.Captioner` around what somebody wrote: names its captions, cleans them, and tells its errors."""

    def __init__(self, extension: Extension, settings: Mapping[str, Any]) -> None:
        """Import and check it. Raises a `BylineError`."""
        self.extension = extension
        self.writer = extension.configured(CaptionWriter, settings, "[caption]")

    @property
    def needs_pixels(self) -> bool:
        return self.writer.needs_pixels

    @cached_property
    def instrument(self) -> str:
        settings = [self.extension.distribution, self.writer.model_dump(mode="json"), self.needs_pixels]
        return instrument_name(self.extension.name, self.extension.plain_version, settings)

    def caption(self, batch: Sequence[CaptionRequest]) -> list[str]:
        """Return clean captions. Raises `ExtensionError` for what is not one text a request."""
        try:
            texts = list(self.writer.caption(batch))
        except Exception as error:  # what a captioner of others raises is told with its name
            raise ExtensionError(f"{self.extension} failed: {in_a_line(error)}") from error
        if len(texts) != len(batch) or not all(isinstance(text, str) for text in texts):
            raise ExtensionError(
                f"{self.extension} gave {len(texts)} for {len(batch)} requests; a text for each is needed"
            )
        return [clean_caption(text, MAX_CHARACTERS) for text in texts]

    def attributed(self, text: str) -> Caption:
        return Caption(
            text=text,
            model=self.extension.distribution,
            revision=self.extension.version,
            prompt="",
            decoding=canonical_json(self.writer.model_dump(mode="json")).decode(),
            seed=0,
        )
