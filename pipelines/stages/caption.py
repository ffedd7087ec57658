"""Caption every picture that could be released. A duplicate is captioned too: it may be promoted to keeper later."""

from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection

from captioning import CaptionConfig, Captioner, CaptionRequest, make_captioner
from catalog.packs import read_images, read_index
from catalog.policy import Policy, image_reasons
from catalog.storage import Store
from pipelines.measures import caption_facts
from pipelines.parts import PackPart
from pipelines.progress import Meter
from pipelines.stages.judge import read_rows

BATCH = 16


def wanted_records(part: PackPart, store: Store, policy: Policy) -> list[str]:
    """Return the records whose license and picture the policy admits, sorted: the ones worth captioning."""
    return sorted(
        row["record_id"]
        for row in read_rows(part, store, caption_instrument=None)
        if row.get("key") and not row["claim_reasons"] and not image_reasons(row, policy.image)
    )


def caption_requests(part: PackPart, store: Store, records: list[str], *, with_pixels: bool) -> list[CaptionRequest]:
    """Return what the captioner is shown for each record, in the order given."""
    index = read_index(store, part.pack)
    sha256_of = dict(zip(index["record_id"].to_pylist(), index["sha256"].to_pylist(), strict=True))
    shown = {sha256_of[record] for record in records} if with_pixels else set()
    images = dict(read_images(store, part.pack, index, only=shown))
    said = {row["record_id"]: row for row in part.read_records(store).to_pylist()}
    return [
        CaptionRequest(
            sha256=sha256_of[record],
            image=images.get(sha256_of[record]),
            title=said[record]["title"] or "",
            description=said[record]["description"] or "",
            tags=tuple(said[record]["tags"]),
        )
        for record in records
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
        with self.meter.pack("caption", part.num_records) as count:
            records = facts.lacking(part.pack, wanted_records(part, self.store, self.policy))
            rows: list[dict[str, object]] = []
            for start in range(0, len(records), BATCH):
                batch = records[start : start + BATCH]
                requests = caption_requests(part, self.store, batch, with_pixels=self.captioner.needs_pixels)
                captions = map(self.captioner.attributed, self.captioner.caption(requests))
                rows += [{"record_id": r, **vars(c)} for r, c in zip(batch, captions, strict=True)]
                count(len(batch))
            facts.append(part.pack, rows)
        yield part


class WriteCaptions(beam.PTransform[PCollection[PackPart], PCollection[PackPart]]):
    """PCollection[PackPart] -> the same, each with every picture captioned that could be released."""

    def __init__(self, store: Store, config: CaptionConfig, policy: Policy, meter: Meter) -> None:
        super().__init__()
        self.arguments = (store, config, policy, meter)

    def expand(self, parts: PCollection[PackPart]) -> PCollection[PackPart]:
        return parts | "Caption" >> beam.ParDo(CaptionPack(*self.arguments))
