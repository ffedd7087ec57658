"""Look at the captions of a release: what they are like together, and pictures with theirs. Loads no torch."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from itertools import islice
from typing import Any

from PIL import Image

from byline.catalog.caption_flags import caption_flags, flag_names
from byline.catalog.caption_words import word_f1
from byline.catalog.corpora.manifest import SPLITS, Release, Shard
from byline.pages.html import picture_url

COLUMNS = ["sha256", "creator", "title", "caption", "caption_model", "caption_revision", "captions", "captioners"]
THUMBNAIL_PX = 160
LONGEST_WORDS = 30
"""Words of a caption from which on lengths are told together."""
_WORD = re.compile(r"\w+")
Count = Callable[[int], None]


@dataclass(kw_only=True)
class ByCaptioner:
    """What the captions of one captioner are like, over all samples."""

    num_captions: int = 0
    num_empty: int = 0
    lengths: Counter[int] = field(default_factory=Counter)
    """Words of a caption, at most `LONGEST_WORDS` -> captions."""
    words: Counter[str] = field(default_factory=Counter)
    """Word, in small letters -> captions that have it."""
    captions: Counter[str] = field(default_factory=Counter)
    """Caption -> pictures that have it."""
    flags: Counter[str] = field(default_factory=Counter)
    """Name of `CAPTION_FLAGS` -> captions."""

    num_compared: int = 0
    """Captions of pictures of which another captioner wrote something, too."""
    agreement: float = 0.0
    """Sum, over these, of the F1 of a caption's words and another captioner's that agrees with it best."""

    def add(self, caption: str, creator: str, title: str, others: Sequence[str]) -> None:
        """Take in the caption of a picture by `creator`, whose source calls it `title`; what `others` wrote of it."""
        words = [word.casefold() for word in _WORD.findall(caption)]
        self.num_captions += 1
        self.num_empty += not words
        self.lengths[min(len(words), LONGEST_WORDS)] += 1
        self.words.update(set(words))
        self.captions[caption] += 1
        if others and words:
            self.num_compared += 1
            self.agreement += max(word_f1(caption, other) for other in others)
        self.flags.update(flag_names(caption_flags(caption, creator, title)))

    @property
    def num_shared(self) -> int:
        """Captions of pictures that another picture has too, counted once for each picture."""
        return sum(times for times in self.captions.values() if times > 1)

    @property
    def mean_agreement(self) -> float:
        """How far these captions agree with those of other captioners, on the average, in [0, 1]."""
        return self.agreement / max(1, self.num_compared)

    @property
    def mean_words(self) -> float:
        """Words of a caption, on the average; longer ones count as `LONGEST_WORDS`."""
        return sum(length * times for length, times in self.lengths.items()) / max(1, self.num_captions)


@dataclass(frozen=True, kw_only=True)
class ShownCaption:
    """A caption as the page shows it."""

    captioner: str
    text: str
    flags: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Captioned:
    """A picture with its captions."""

    facts: dict[str, Any]
    """What the sample says: `record_id`, `title`, `creator`, `license`, ..."""
    picture: str
    """A thumbnail as a URL that holds it."""
    captions: tuple[ShownCaption, ...]


@dataclass(frozen=True, kw_only=True)
class Captions:
    """What the page needs."""

    num_pictures: int
    by_captioner: dict[str, ByCaptioner]
    """Captioner -> what its captions are like; the one that wrote most comes first."""
    shown: tuple[Captioned, ...]


def collect_captions(release: Release, *, limit: int, count: Count = lambda _: None) -> Captions:
    """Read all captions of a release, and its first `limit` pictures, in the order of shards, which a hash decides.

    `count` is told of samples as their captions are read. What a captioner wrote is told by the captioner's instrument,
    or, of one caption a picture, by model and revision.
    """
    by_captioner: dict[str, ByCaptioner] = {}
    shards = [shard for split in SPLITS for shard in release.shards(split)]
    for shard in shards:
        for row in _rows(release, shard):
            written = _captions_of(row)
            for captioner, text in written:
                others = [other for by, other in written if by != captioner and other]
                by_captioner.setdefault(captioner, ByCaptioner()).add(text, *_credited(row), others)
        count(shard.num_samples)
    samples = (sample for shard in shards for sample in release.samples(shard))
    return Captions(
        num_pictures=sum(shard.num_samples for shard in shards),
        by_captioner=dict(sorted(by_captioner.items(), key=lambda item: (-item[1].num_captions, item[0]))),
        shown=tuple(_captioned(json.loads(sample["json"]), sample["jpg"]) for sample in islice(samples, limit)),
    )


def _rows(release: Release, shard: Shard) -> Iterator[dict[str, Any]]:
    table = release.rows(shard, COLUMNS)
    if table is None:
        yield from (json.loads(sample["json"]) for sample in release.samples(shard))
    else:
        yield from table.to_pylist()


def _captions_of(row: dict[str, Any]) -> list[tuple[str, str]]:
    """Return each caption of a sample after its captioner."""
    if row.get("captions"):
        return list(zip(row["captioners"], row["captions"], strict=True))
    captioner = " ".join(part for part in (row.get("caption_model"), row.get("caption_revision")) if part)
    return [(captioner or "not stated", row.get("caption") or "")]


def _credited(row: dict[str, Any]) -> tuple[str, str]:
    """Return creator and title."""
    return row.get("creator") or "", row.get("title") or ""


def _captioned(facts: dict[str, Any], picture: bytes) -> Captioned:
    captions = tuple(
        ShownCaption(captioner=captioner, text=text, flags=flag_names(caption_flags(text, *_credited(facts))))
        for captioner, text in _captions_of(facts)
    )
    with Image.open(BytesIO(picture)) as image:
        image.draft("RGB", (THUMBNAIL_PX, THUMBNAIL_PX))
        thumbnail = image.convert("RGB")
    thumbnail.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    return Captioned(facts=facts, picture=picture_url(thumbnail, "JPEG", quality=80), captions=captions)
