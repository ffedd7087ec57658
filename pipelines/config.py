"""What a corpus is built from: the config of `byline build`."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from captioning import CaptionConfig
from catalog.configs import load_config
from catalog.errors import ConfigError
from catalog.policy import Policy
from catalog.storage import Store
from pipelines.sources import READERS
from pipelines.stages.fetch import FetchConfig, PixelConfig


def _plain_name(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise ValueError("use small letters, digits and hyphens only (names become file names)")
    return name


def _known_reader(name: str) -> str:
    if name not in READERS:
        raise ValueError(f"no such reader; the readers are {', '.join(sorted(READERS))}")
    return name


PlainName = Annotated[str, AfterValidator(_plain_name)]


class SourceConfig(BaseModel, frozen=True, extra="forbid"):
    """One source of records."""

    name: PlainName
    reader: Annotated[str, AfterValidator(_known_reader)]
    path: str
    num_packs: int = Field(ge=1)
    """A pack is about ten thousand images. Fixed for the life of the corpus: it decides where every record lives."""


class CorpusConfig(BaseModel, frozen=True, extra="forbid"):
    """One corpus and the release that is made of it."""

    name: PlainName
    root: str
    """A folder or any fsspec URL (`s3://bucket/corpus`)."""
    policy: str
    """Path of a policy file."""
    sources: tuple[SourceConfig, ...] = Field(min_length=1)
    pixels: PixelConfig = PixelConfig()
    fetch: FetchConfig = FetchConfig()
    caption: CaptionConfig
    serve: dict[str, str] = {}
    """URL prefix -> folder that is served over HTTP on loopback during the build, in place of that prefix."""

    @property
    def store(self) -> Store:
        """The corpus on disk."""
        return Store(self.root)


def load_corpus_config(path: str) -> tuple[CorpusConfig, Policy]:
    """Read a corpus config and the policy that it names. Raises `ConfigError`."""
    config = load_config(path, CorpusConfig)
    names = [source.name for source in config.sources]
    if len(set(names)) < len(names):
        raise ConfigError(f"{path}: two sources have one name: {', '.join(sorted(names))}")
    return config, load_config(config.policy, Policy)
