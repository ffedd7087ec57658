"""What one source of a corpus is: the tables `[[sources]]` of a corpus config."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from byline.catalog.configs.places import InputPlace
from byline.pipelines.sources.readers import check_reader
from byline.pipelines.sources.readers.options import ReadOptions


def _plain_name(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise ValueError("use small letters, digits and hyphens only (names become file names)")
    return name


def _known_reader(name: str) -> str:
    check_reader(name)
    return name


MAX_PACKS = 100_000
"""Most packs of a source. They are numbered with five digits, and hold a billion images."""
PlainName = Annotated[str, AfterValidator(_plain_name)]


class SourceConfig(ReadOptions, frozen=True, extra="forbid"):
    """One source of records."""

    name: PlainName
    reader: Annotated[str, AfterValidator(_known_reader)]
    path: InputPlace
    num_packs: int = Field(ge=1, le=MAX_PACKS)
    """A pack is about ten thousand images. Fixed for the life of the corpus: it decides where every record lives."""

    @property
    def options(self) -> ReadOptions:
        """How it is read."""
        return ReadOptions(**{name: getattr(self, name) for name in ReadOptions.model_fields})
