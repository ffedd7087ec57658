"""Caption every picture that could be released. A duplicate is captioned too: it may be promoted to keeper later."""

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection

from captioning import CaptionConfig, Captioner, CaptionRequest, make_captioner
from catalog.packs import read_images, read_index
from catalog.policy import Policy, image_reasons
from catalog.storage import Store
from pipelines.measures import caption_facts, shown_sha256
from pipelines.parts import PackPart
from pipelines.progress import Meter
from pipelines.stages.judge import read_rows

BATCH = 16
SEGMENT_CAPTIONS = 512
"""Captions that a kill can lose."""
Row = dict[str, Any]


def wanted_rows(part: PackPart, store: Store, policy: Policy, *, with_pixels: bool) -> dict[str, Row]:
    """Return the records worth captioning, whose license and picture the policy admits, by what is shown of them."""
    said = {row["record_id"]: row for row in part.read_records(store).to_pylist()}
    rows = (
        {**said[row["record_id"]], "sha256": row["sha256"]}
        for row in read_rows(part, store, captions=None)
        if row.get("key") and not row["claim_reasons"] and not image_reasons(row, policy.image)
    )
    return {shown_sha256(row, with_pixels=with_pixels): row for row in rows}


def requests_of(part: PackPart, store: Store, rows: list[Row], *, with_pixels: bool) -> Iterator[list[CaptionRequest]]:
    """Yield what the captioner is shown, in batches, in the order of `rows`."""
    index = read_index(store, part.pack) if with_pixels else None
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        shown = {row["sha256"] for row in batch}
        images = {} if index is None else dict(read_images(store, index, only=shown))
        yield [
            CaptionRequest(
                sha256=row["sha256"],
                image=images.get(row["sha256"]),
                title=row["title"] or "",
                description=row["description"] or "",
                tags=tuple(row["tags"]),
            )
            for row in batch
        ]


class CaptionPack(beam.DoFn):
    """Captions what is new in a pack; the captioner is loaded once a worker."""

    def __init__(self, store: Store, config: CaptionConfig, policy: Policy, meter: Meter) -> None:
        self.store, self.config, self.policy, self.meter = store, config, policy, meter

    def setup(self) -> None:
        """Load the captioner."""
        self.captioner: Captioner = make_captioner(self.config)

    def process(self, part: PackPart) -> Any:
        """Append the captions that the pack lacks, then pass it on."""
        facts = caption_facts(self.store, self.captioner.instrument)
        with_pixels = self.captioner.needs_pixels
        with self.meter.pack("caption", part.num_records) as count:
            wanted = wanted_rows(part, self.store, self.policy, with_pixels=with_pixels)
            lacking = facts.lacking(part.pack, wanted)
            captions: list[dict[str, object]] = []
            for batch in requests_of(part, self.store, [wanted[key] for key in lacking], with_pixels=with_pixels):
                texts = self.captioner.caption(batch)
                keys = lacking[len(captions) : len(captions) + len(batch)]
                captions += [
                    {"shown_sha256": key, **vars(self.captioner.attributed(text))}
                    for key, text in zip(keys, texts, strict=True)
                ]
                count(len(batch))
                if len(captions) >= SEGMENT_CAPTIONS:
                    facts.append(part.pack, captions)
                    lacking, captions = lacking[len(captions) :], []
            facts.append(part.pack, captions)
        yield part


class WriteCaptions(beam.PTransform[PCollection[PackPart], PCollection[PackPart]]):
    """PCollection[PackPart] -> the same, each with every picture captioned that could be released."""

    def __init__(self, store: Store, config: CaptionConfig, policy: Policy, meter: Meter) -> None:
        super().__init__()
        self.arguments = (store, config, policy, meter)

    def expand(self, parts: PCollection[PackPart]) -> PCollection[PackPart]:
        return parts | "Caption" >> beam.ParDo(CaptionPack(*self.arguments))
