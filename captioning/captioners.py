"""The interface of every captioner, and what is stored with every caption."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

BATCH = 16


@dataclass(frozen=True, kw_only=True)
class CaptionRequest:
    """One image to caption."""

    sha256: str
    """Digest of the image's bytes as fetched; it seeds sampling, so that an image's caption depends on nothing else."""
    image: bytes | None
    """The encoded picture, in any format; None is enough when `needs_pixels` is False."""
    title: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Caption:
    """A caption and all that decided it."""

    text: str
    model: str
    """A hub id, the name of a local folder, or `source-text`."""
    revision: str
    """The hub's commit, or `sha256:` and the digest of the local weights; for `source-text` its version."""
    prompt: str
    decoding: str
    """Decoding parameters as canonical JSON."""
    seed: int


@dataclass(frozen=True, kw_only=True)
class Written:
    """A text that a captioner wrote of a picture, clean, and how surely."""

    text: str
    num_tokens: int | None = None
    """The tokens that were written for it, its end among them; None where nobody counted."""
    mean_log_prob: float | None = None
    """The mean of their natural log-probabilities by the model as it is, before any sampling, to a thousandth: what
    is finer depends on the batch."""


class Captioner(Protocol):
    """Writes captions. Equal requests give equal captions, whatever batch they come in."""

    @property
    def needs_pixels(self) -> bool:
        """Whether requests must carry the image."""

    @property
    def instrument(self) -> str:
        """A name that changes with every setting that can change a caption; known without loading weights."""

    def caption(self, batch: Sequence[CaptionRequest]) -> list[str]:
        """Return one clean caption for each request, in their order; empty when there is nothing to say."""

    def captions(self, requests: Iterable[CaptionRequest]) -> Iterator[tuple[Written, ...]]:
        """Yield what is written of each request, in their order: what `caption` says, and then more where the config
        asks for several. May read ahead, from another thread."""

    def attributed(self, text: str) -> Caption:
        """Return a text that this captioner wrote, with what made it."""


class InBatches:
    """A captioner that reads no further ahead than a batch."""

    def caption(self, batch: Sequence[CaptionRequest]) -> list[str]:
        raise NotImplementedError

    def captions(self, requests: Iterable[CaptionRequest]) -> Iterator[tuple[Written, ...]]:
        asked = iter(requests)
        while batch := list(islice(asked, BATCH)):
            yield from ((Written(text=text),) for text in self.caption(batch))
