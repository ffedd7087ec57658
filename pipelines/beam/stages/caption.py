"""Caption every picture that could be released. A duplicate is captioned too: it may be promoted to keeper later."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.pvalue import PCollection

from byline.captioning import CaptionConfig, Captioner, CaptionRequest, make_captioner
from byline.captioning.captioners import Written
from byline.catalog.corpora.builds import CAPTION
from byline.catalog.corpora.facts import FactWriter
from byline.catalog.corpora.packs import read_images, read_index
from byline.catalog.corpora.parts import PackPart
from byline.catalog.disk.storage import Store
from byline.catalog.policies.policy import Policy
from byline.catalog.progress import Meter
from byline.pipelines.beam.beats import count_done
from byline.pipelines.beam.timing import timed
from byline.pipelines.facts.measures import CAPTIONED_BY, CAPTIONING_MS_BY, caption_facts, unsettled_caption_facts
from byline.pipelines.facts.rows import Instruments, read_rows
from byline.pipelines.facts.shipped_captions import CaptionsBy
from byline.pipelines.judging.screening import screen, screened_columns

BATCH = 16
"""Captions that are written down at once: what a kill can lose, beside those that were being made."""
SEGMENT_CAPTIONS = 512
"""Captions in a segment of facts."""
Row = dict[str, Any]


def wanted_rows(
    part: PackPart, store: Store, policy: Policy, instruments: Instruments, captioner: CaptionsBy
) -> list[Row]:
    """Return what is worth captioning and this captioner did not caption yet, once each: all that only a missing
    caption refuses.

    A row has the key of its caption (`shown_sha256`), the picture's `sha256`, and the record's text.
    """
    rules, metrics = policy.rules_of(part.source), instruments.metric_names
    joined = read_rows(part, store, instruments, ["sha256", *screened_columns(rules, metrics)])
    screened = screen(joined, rules, is_classified=instruments.safety is not None, metrics=metrics)
    rows = pa.array(np.flatnonzero(screened.lacks_caption))
    texts = part.read_records(store, ["title", "description", "tags", "text_sha256"]).take(rows)
    sha256s = joined["sha256"].take(rows)
    shown = captioner.keys(sha256s, texts["text_sha256"])
    wanted = texts.append_column("sha256", sha256s).append_column("shown_sha256", shown)
    by_key = {row["shown_sha256"]: row for row in wanted.to_pylist()}
    return [by_key[key] for key in caption_facts(store, captioner.instrument).lacking(part.pack, by_key)]


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


def facts_of(key: str, captioner: Captioner, written: tuple[Written, ...]) -> Row:
    """Return the row of `CAPTION_SCHEMA` for what a captioner wrote."""
    first, more = written[0], written[1:]
    return {
        "shown_sha256": key,
        **vars(captioner.attributed(first.text)),
        "num_tokens": first.num_tokens,
        "mean_log_prob": first.mean_log_prob,
        "more": [caption.text for caption in more],
        "more_num_tokens": [caption.num_tokens for caption in more],
        "more_mean_log_prob": [caption.mean_log_prob for caption in more],
    }


class Notebook:
    """Takes captions of a pack down a few at a time, and settles them as facts by the segment.

    What a kill leaves unsettled is settled by the next one of that pack. It is one file, written anew with each few:
    to add a file for them would be to ask for all that are there. Where a runner has two workers at one pack, a kill
    of both may lose what one of them took down; it is captioned again.
    """

    def __init__(self, store: Store, instrument: str, pack: str) -> None:
        self.unsettled, self.pack = unsettled_caption_facts(store, instrument), pack
        self.facts = FactWriter(caption_facts(store, instrument), pack)
        self.new: list[Row] = []
        self.num_noted = 0
        if rows := self.unsettled.read(pack).to_pylist():
            self.facts.append(rows)
            self.unsettled.remove(pack)

    def note(self, row: Row) -> None:
        """Take down one caption."""
        self.new.append(row)
        if len(self.new) - self.num_noted == BATCH:
            self.unsettled.overwrite(self.pack, self.new)
            self.num_noted = len(self.new)
        if len(self.new) == SEGMENT_CAPTIONS:
            self.settle()

    def settle(self) -> None:
        """Make facts of what was taken down."""
        self.facts.append(self.new)
        if self.num_noted:
            self.unsettled.remove(self.pack)
        self.new, self.num_noted = [], 0


class CaptionPack(beam.DoFn):
    """Captions what is new in a pack, by each captioner; they are loaded once a worker."""

    def __init__(
        self, store: Store, configs: list[CaptionConfig], policy: Policy, instruments: Instruments, meter: Meter
    ) -> None:
        self.store, self.configs, self.policy, self.instruments, self.meter = store, configs, policy, instruments, meter

    def setup(self) -> None:
        """Load the captioners."""
        self.captioners: list[Captioner] = [make_captioner(config) for config in self.configs]

    def process(self, part: PackPart) -> Any:
        """Append the captions that the pack lacks, then pass it on."""
        with self.meter.pack("caption", part.num_records) as count:
            for captioner, by in zip(self.captioners, self.instruments.captioners, strict=True):
                self._caption(part, captioner, by, count)
        yield part

    def _caption(self, part: PackPart, captioner: Captioner, by: CaptionsBy, count: Callable[[int], None]) -> None:
        notebook = Notebook(self.store, by.instrument, part.pack)
        wanted = wanted_rows(part, self.store, self.policy, self.instruments, by)
        shown = requests_of(part, self.store, wanted, with_pixels=captioner.needs_pixels)
        began_s = time.monotonic()
        with timed(f"{CAPTION}{by.instrument}"):
            for row, written in zip(wanted, captioner.captions(shown), strict=True):
                notebook.note(facts_of(row["shown_sha256"], captioner, written))
                count(1)
                count_done("captioned", 1)
            notebook.settle()
        if wanted:
            count_done(f"{CAPTIONED_BY}{by.instrument}", len(wanted))
            took_ms = round(1000 * (time.monotonic() - began_s))
            count_done(f"{CAPTIONING_MS_BY}{by.instrument}", took_ms)


class WriteCaptions(beam.PTransform[PCollection[PackPart], PCollection[PackPart]]):
    """PCollection[PackPart] -> the same, each with every picture captioned that could be released."""

    def __init__(
        self, store: Store, configs: list[CaptionConfig], policy: Policy, instruments: Instruments, meter: Meter
    ) -> None:
        super().__init__()
        self.arguments = (store, configs, policy, instruments, meter)

    def expand(self, parts: PCollection[PackPart]) -> PCollection[PackPart]:
        return parts | "Caption" >> beam.ParDo(CaptionPack(*self.arguments))
