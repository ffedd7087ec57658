"""Caption every picture that could be released. A duplicate is captioned too: it may be promoted to keeper later."""

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.pvalue import PCollection

from byline.captioning import CaptionConfig, Captioner, CaptionRequest, make_captioner
from byline.catalog.corpora.packs import read_images, read_index
from byline.catalog.corpora.parts import PackPart
from byline.catalog.disk.storage import Store
from byline.catalog.policies.policy import Policy
from byline.catalog.progress import Meter
from byline.pipelines.beam.beats import count_done
from byline.pipelines.facts.measures import caption_facts
from byline.pipelines.facts.rows import Instruments, read_rows
from byline.pipelines.judging.screening import screen, screened_columns

BATCH = 16
SEGMENT_CAPTIONS = 512
"""Captions that a kill can lose."""
Row = dict[str, Any]


def wanted_rows(part: PackPart, store: Store, policy: Policy, instruments: Instruments) -> list[Row]:
    """Return what is worth captioning and is not captioned yet, once each: all that only a missing caption refuses.

    A row has the key of its caption (`shown_sha256`), the picture's `sha256`, and the record's text.
    """
    rules, metrics = policy.rules_of(part.source), instruments.metric_names
    joined = read_rows(part, store, instruments, ["sha256", *screened_columns(rules, metrics)])
    screened = screen(joined, rules, is_classified=instruments.safety is not None, metrics=metrics)
    rows = pa.array(np.flatnonzero(screened.lacks_caption))
    said = part.read_records(store, ["title", "description", "tags", "text_sha256"]).take(rows)
    sha256s = joined["sha256"].take(rows)
    shown = sha256s if instruments.captions_see_pixels else said["text_sha256"]
    wanted = said.append_column("sha256", sha256s).append_column("shown_sha256", shown)
    return sorted(
        {row["shown_sha256"]: row for row in wanted.to_pylist()}.values(), key=lambda row: row["shown_sha256"]
    )


def requests_of(part: PackPart, store: Store, rows: list[Row], *, with_pixels: bool) -> Iterator[CaptionRequest]:
    """Yield what the captioner is shown, in the order of `rows`."""
    index = read_index(store, part.pack) if with_pixels else None
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        shown = {row["sha256"] for row in batch}
        images = {} if index is None else dict(read_images(store, index, only=shown))
        for row in batch:
            yield CaptionRequest(
                sha256=row["sha256"],
                image=images.get(row["sha256"]),
                title=row["title"] or "",
                description=row["description"] or "",
                tags=tuple(row["tags"]),
            )


class CaptionPack(beam.DoFn):
    """Captions what is new in a pack; the captioner is loaded once a worker."""

    def __init__(
        self, store: Store, config: CaptionConfig, policy: Policy, instruments: Instruments, meter: Meter
    ) -> None:
        self.store, self.config, self.policy, self.instruments, self.meter = store, config, policy, instruments, meter

    def setup(self) -> None:
        """Load the captioner."""
        self.captioner: Captioner = make_captioner(self.config)

    def process(self, part: PackPart) -> Any:
        """Append the captions that the pack lacks, then pass it on."""
        facts = caption_facts(self.store, self.captioner.instrument)
        with self.meter.pack("caption", part.num_records) as count:
            wanted = wanted_rows(part, self.store, self.policy, self.instruments)
            shown = requests_of(part, self.store, wanted, with_pixels=self.captioner.needs_pixels)
            captions: list[dict[str, object]] = []
            for row, text in zip(wanted, self.captioner.captions(shown), strict=True):
                captions.append({"shown_sha256": row["shown_sha256"], **vars(self.captioner.attributed(text))})
                count(1)
                count_done("captioned", 1)
                if len(captions) == SEGMENT_CAPTIONS:
                    facts.append(part.pack, captions)
                    captions = []
            facts.append(part.pack, captions)
        yield part


class WriteCaptions(beam.PTransform[PCollection[PackPart], PCollection[PackPart]]):
    """PCollection[PackPart] -> the same, each with every picture captioned that could be released."""

    def __init__(
        self, store: Store, config: CaptionConfig, policy: Policy, instruments: Instruments, meter: Meter
    ) -> None:
        super().__init__()
        self.arguments = (store, config, policy, instruments, meter)

    def expand(self, parts: PCollection[PackPart]) -> PCollection[PackPart]:
        return parts | "Caption" >> beam.ParDo(CaptionPack(*self.arguments))
