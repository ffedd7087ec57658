"""What a corpus has of a picture, from some of its packs: how many came, from which hosts, how many bytes lie there."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np
import pyarrow.compute as pc
from pydantic import BaseModel

from byline.catalog.corpora.builds import FETCH, MEASURE
from byline.catalog.corpora.facts import PAIRS
from byline.catalog.corpora.packs import Outcome, read_index
from byline.catalog.corpora.parts import PackPart
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.catalog.hosts import UrlError
from byline.catalog.urls import read_url
from byline.pipelines.facts.measures import caption_facts

MOST_PACKS = 16
CAPTIONS, LATENTS = "captions", "latents"
STAGE_OF = {"captions": CAPTIONS, "unsettled-captions": CAPTIONS, "latents": LATENTS, "text": LATENTS}
"""Fact table -> the stage that fills it; all others are measured."""


class Kept(BaseModel, frozen=True, extra="forbid"):
    """What a stage left in the sampled packs."""

    objects: int = 0
    bytes: int = 0

    def __add__(self, other: "Kept") -> "Kept":
        return Kept(objects=self.objects + other.objects, bytes=self.bytes + other.bytes)


class Sample(BaseModel, frozen=True, extra="forbid"):
    """Counts over some packs of a corpus."""

    packs: int
    of_packs: int
    """All packs of the corpus."""
    records: int
    asked: int
    """Records whose picture was asked for."""
    fetched: int
    """Those of them whose picture came and can be used."""
    captioned: dict[str, int]
    """Captioner -> pictures, or texts, that it captioned."""
    encoded: int
    """Latents, by whatever instrument."""
    busiest_host: str
    """The host with most of the records that lie in no file; empty where all do."""
    of_busiest_host: float
    """Its part of the records."""
    kept: dict[str, Kept]
    """Stage -> what it left."""


def sample_of(parts: Sequence[PackPart], store: Store, captioners: Sequence[str]) -> Sample:
    """Look at some packs, evenly spaced. Reads indices, not pictures."""
    places = np.unique(np.linspace(0, len(parts) - 1, min(MOST_PACKS, len(parts))).round().astype(int))
    chosen = [parts[position] for position in places] if parts else []
    hosts: Counter[str] = Counter()
    captioned: Counter[str] = Counter()
    asked = fetched = encoded = 0
    folders = list(_fact_folders(store))
    left = {FETCH: Kept(), MEASURE: Kept(), CAPTIONS: Kept(), LATENTS: Kept()}
    for part in chosen:
        index = read_index(store, part.pack)
        asked += len(index)
        fetched += pc.sum(pc.equal(index["outcome"], Outcome.FETCHED)).as_py() or 0
        hosts.update(_hosts(part, store))
        left[FETCH] += _kept_of_pack(part, store)
        for measure, instrument in folders:
            stage = STAGE_OF.get(measure, MEASURE)
            stems = store.numbered(layout.fact_segments(measure, instrument, part.pack), ".parquet")
            left[stage] += _sizes(store, [f"{stem}.parquet" for stem in stems])
            if measure == LATENTS:
                encoded += sum(len(store.read_table(f"{stem}.parquet", ["sha256"])) for stem in stems)
        for instrument in captioners:
            captioned[instrument] += len(caption_facts(store, instrument).read(part.pack, []))
    records = sum(part.num_records for part in chosen)
    host, number = max(hosts.items(), key=lambda item: (item[1], item[0]), default=("", 0))
    return Sample(
        packs=len(chosen),
        of_packs=len(parts),
        records=records,
        asked=asked,
        fetched=fetched,
        captioned=dict(captioned),
        encoded=encoded,
        busiest_host=host,
        of_busiest_host=number / records if records else 0.0,
        kept=left,
    )


def _fact_folders(store: Store) -> Iterator[tuple[str, str]]:
    for measure in store.folders(layout.FACTS):
        if measure not in PAIRS:
            yield from ((measure, instrument) for instrument in store.folders(layout.facts_of(measure)))


def _hosts(part: PackPart, store: Store) -> Iterator[str]:
    records = part.read_records(store, ["url", "held"])
    for url in records.filter(pc.is_null(records["held"]))["url"].to_pylist():
        with suppress(UrlError):
            yield read_url(url).server


def _kept_of_pack(part: PackPart, store: Store) -> Kept:
    kept = Kept()
    for stem in store.numbered(layout.pack_segments(part.pack), ".parquet"):
        index = store.read_table(f"{stem}.parquet", ["tar", "originals"])
        tars = {*index["tar"].to_pylist(), *index["originals"].to_pylist()} - {None}
        kept += _sizes(store, [f"{stem}.parquet", f"{stem}_stats.json", *(layout.pack_file(tar) for tar in tars)])
    return kept


def _sizes(store: Store, paths: list[str]) -> Kept:
    return Kept(objects=len(paths), bytes=sum(store.size_bytes(path) for path in paths))
