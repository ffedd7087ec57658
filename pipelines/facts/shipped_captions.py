"""Which captions a sample ships: one, or several with weights, by one captioner or more."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.caption_words import word_f1
from byline.catalog.corpora.parts import PackPart
from byline.catalog.corpora.sample_schema import CAPTION_COLUMNS
from byline.catalog.disk.storage import Store
from byline.pipelines.facts.measures import caption_facts


@dataclass(frozen=True, kw_only=True)
class CaptionsBy:
    """A captioner whose captions are shipped beside those of `[caption]`, and how often a trainer is to draw one of
    them for each that it draws of those."""

    instrument: str
    see_pixels: bool
    weight: float

    def keys(self, sha256: pa.ChunkedArray, text_sha256: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return the keys of its captions of pictures, or of records' texts."""
        return sha256 if self.see_pixels else text_sha256


def shipped_captions(
    part: PackPart,
    store: Store,
    shipped: tuple[CaptionsBy, ...],
    *,
    sha256: pa.ChunkedArray,
    text_sha256: pa.ChunkedArray,
    several: bool,
) -> dict[str, pa.ChunkedArray]:
    """Return the columns of samples that say their captions. `shipped` begins with the captioner of `[caption]`.

    What it did not write yet is null, and so is `caption` where one of the others did not.
    """
    read = [*CAPTION_COLUMNS.values(), *(["more"] if several else [])]
    tables = []
    for captioner in shipped:
        facts = caption_facts(store, captioner.instrument).read(part.pack, read)
        tables.append(facts.take(pc.index_in(captioner.keys(sha256, text_sha256), value_set=facts["shown_sha256"])))
    columns = {name: tables[0][column] for name, column in CAPTION_COLUMNS.items()}
    for table in tables[1:]:
        columns["caption"] = pc.if_else(pc.is_valid(table["text"]), columns["caption"], None)
    if several:
        columns |= _several(tables, shipped)
    return columns


def agreement(columns: Mapping[str, pa.ChunkedArray], first: str) -> pa.Array:
    """Return how far the caption of each sample, which the captioner `first` wrote, agrees with the others.

    That is the greatest F1 of its words and those of a caption by another captioner; null where none wrote one, or
    there is no caption. `columns` are those of `shipped_captions`.
    """
    captions = columns["caption"].to_pylist()
    if "captions" not in columns:
        return pa.nulls(len(captions), pa.float64())
    best = []
    for caption, texts, captioners in zip(
        captions, columns["captions"].to_pylist(), columns["captioners"].to_pylist(), strict=True
    ):
        others = [text for text, captioner in zip(texts, captioners, strict=True) if captioner != first]
        best.append(max(word_f1(caption, other) for other in others) if caption and others else None)
    return pa.array(best, pa.float64())


def _several(tables: list[pa.Table], shipped: tuple[CaptionsBy, ...]) -> dict[str, pa.ChunkedArray]:
    by_captioner = [
        [
            (text, *(more or ()))
            for text, more in zip(*(table[name].to_pylist() for name in ("text", "more")), strict=True)
        ]
        for table in tables
    ]
    samples = [
        list(
            chain.from_iterable(weighed(texts, captioner) for texts, captioner in zip(of_sample, shipped, strict=True))
        )
        for of_sample in zip(*by_captioner, strict=True)
    ]
    kinds = (pa.string(), pa.float64(), pa.string())
    return {
        name: pa.chunked_array(
            [pa.array([[caption[index] for caption in sample] for sample in samples], pa.list_(kind))]
        )
        for index, (name, kind) in enumerate(zip(("captions", "caption_weights", "captioners"), kinds, strict=True))
    }


def weighed(texts: tuple[str | None, ...], by: CaptionsBy) -> list[tuple[str, float, str]]:
    """Return the captions that one captioner wrote of a picture, each once, with its share of the captioner's weight,
    and who wrote it. An empty one is none."""
    written = [text for text in texts if text]
    times: Mapping[str, int] = {text: written.count(text) for text in written}
    return [(text, by.weight * number / len(written), by.instrument) for text, number in times.items()]
