"""Measure every fetched picture once, from one decode: hashes, quality, thumbnail, and what models say of it."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from io import BytesIO
from itertools import chain, islice
from typing import Any, TypeVar

import apache_beam as beam
from apache_beam.pvalue import PCollection
from PIL import Image

from byline.captioning.safety import NsfwClassifier, SafetyConfig
from byline.catalog.corpora.builds import MEASURE, MEASURED
from byline.catalog.corpora.facts import FactTable, FactWriter
from byline.catalog.corpora.packs import read_images, read_index
from byline.catalog.corpora.parts import PackPart
from byline.catalog.disk.storage import Store
from byline.catalog.progress import Meter
from byline.dedup.colors import color_grid
from byline.dedup.decoding import decode
from byline.dedup.embedding.embedder import Embedder, EmbeddingConfig
from byline.dedup.hashes import phash256, pixel_digest
from byline.dedup.metrics import MetricInUse, use_metric
from byline.dedup.pdq import pdq
from byline.dedup.quality import measure_quality
from byline.dedup.views import pack_views, views_of
from byline.pipelines.beam.beats import count_done
from byline.pipelines.beam.cores import OnAnyCore
from byline.pipelines.beam.timing import timed
from byline.pipelines.facts.measures import (
    DECODED,
    MEASURED_PX,
    THUMBNAIL_JPEG_QUALITY,
    THUMBNAIL_SIDE_PX,
    embedding_facts,
    hash_facts,
    metric_facts,
    pdq_facts,
    quality_facts,
    safety_facts,
    thumbnail_facts,
)

SEGMENT_IMAGES = 2000
"""Pictures whose facts a worker holds in memory at most (about 5 MB), and that a kill can lose."""
Row = dict[str, object]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a corpus has measured beside what every corpus has."""

    safety: SafetyConfig | None = None
    embedding: EmbeddingConfig | None = None
    pdq: bool = False
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Name -> settings, of those that people added."""


@dataclass(frozen=True)
class Measurement:
    """A fact table and what fills it: a function of the decoded picture, in RGB, that must not change it."""

    table: FactTable
    measure: Callable[[Image.Image], Row]


def measurements(
    store: Store,
    classifier: NsfwClassifier | None = None,
    embedder: Embedder | None = None,
    *,
    with_pdq: bool = False,
    metrics: Iterable[MetricInUse] = (),
) -> list[Measurement]:
    """Return THE list of what is measured of a picture. Without a classifier its safety is not, nor is its vector
    without an embedder."""
    measured = [
        Measurement(hash_facts(store), measure_hashes),
        Measurement(quality_facts(store), measure_numbers),
        Measurement(thumbnail_facts(store), measure_thumbnail),
    ]
    if with_pdq:
        measured.append(Measurement(pdq_facts(store), measure_pdq))
    if classifier is not None:
        scores = classifier.score
        table = safety_facts(store, classifier.instrument)
        measured.append(Measurement(table, lambda image: {"nsfw": scores([image])[0]}))
    if embedder is not None:
        embed = embedder.embed
        table = embedding_facts(store, embedder.instrument)
        measured.append(Measurement(table, lambda image: {"vector": embed([image])[0].astype("<f2").tobytes()}))
    return measured + [_added(store, metric) for metric in metrics]


def _added(store: Store, metric: MetricInUse) -> Measurement:
    table = metric_facts(store, metric.name, metric.instrument(DECODED))
    return Measurement(table, lambda image: {"value": metric.measure(image)})


def measure_hashes(image: Image.Image) -> Row:
    """Return what duplicates are found by."""
    return {
        "phash256": phash256(image),
        "colors": color_grid(image),
        "pixels": pixel_digest(image),
        "views": pack_views(views_of(image)),
    }


def measure_pdq(image: Image.Image) -> Row:
    """Return the hash that others share, and how far it can be trusted."""
    code, quality = pdq(image)
    return {"pdq": code, "quality": quality}


def measure_numbers(image: Image.Image) -> Row:
    """Return the quality numbers."""
    return asdict(measure_quality(image))


def measure_thumbnail(image: Image.Image) -> Row:
    """Return a small JPEG, at most `THUMBNAIL_SIDE_PX` on its longer side."""
    longer = max(image.size)
    if longer > THUMBNAIL_SIDE_PX:
        width, height = (max(1, round(side * THUMBNAIL_SIDE_PX / longer)) for side in image.size)
        image = image.resize((width, height), reducing_gap=2.0)
    sink = BytesIO()
    image.save(sink, "JPEG", quality=THUMBNAIL_JPEG_QUALITY)
    return {"jpeg": sink.getvalue()}


def measure_images(
    images: Iterable[tuple[str, bytes]], lacking: Mapping[Measurement, Collection[str]]
) -> dict[Measurement, list[Row]]:
    """Return new rows for each table, of stored pictures by digest: each decoded once, measured only where lacking."""
    rows: dict[Measurement, list[Row]] = {measurement: [] for measurement in lacking}
    for sha256, data in images:
        image = decode(data, at_least_px=MEASURED_PX)
        for measurement, keys in lacking.items():
            if sha256 in keys:
                rows[measurement].append({"sha256": sha256, **measurement.measure(image)})
        count_done(MEASURED, 1)  # by however many instruments
    return rows


def measure_pack(part: PackPart, store: Store, measured: Sequence[Measurement], meter: Meter) -> PackPart:
    """Measure what a pack lacks.

    Pictures come in a fixed order and are added `SEGMENT_IMAGES` at a time, so a pack that was killed anywhere and is
    measured again has the same segments, byte for byte, as one that was not.
    """
    with meter.pack("measure", part.num_records) as count:
        index = read_index(store, part.pack)
        fetched = [key for key in index["key"].to_pylist() if key]
        writers = {measurement: FactWriter(measurement.table, part.pack) for measurement in measured}
        lacking = {measurement: set(writer.lacking(fetched)) for measurement, writer in writers.items()}
        if wanted := set().union(*lacking.values()):
            images = _counted(read_images(store, index, only=wanted), count)
            with timed(MEASURE):
                for first in images:
                    segment = chain([first], islice(images, SEGMENT_IMAGES - 1))
                    for measurement, rows in measure_images(segment, lacking).items():
                        writers[measurement].append(rows)
    return part


def _counted(images: Iterable[T], count: Callable[[int], None]) -> Iterator[T]:
    for image in images:
        yield image
        count(1)


class MeasurePack(beam.DoFn):
    """Measures what is new in a pack; the models are loaded once a worker."""

    def __init__(self, store: Store, meter: Meter, what: Measured) -> None:
        self.store, self.meter, self.what = store, meter, what

    def setup(self) -> None:
        """Make the models that the corpus has."""
        classifier = NsfwClassifier(self.what.safety) if self.what.safety else None
        embedder = Embedder(self.what.embedding) if self.what.embedding else None
        metrics = [use_metric(name, settings) for name, settings in sorted(self.what.metrics.items())]
        self.measured = measurements(self.store, classifier, embedder, with_pdq=self.what.pdq, metrics=metrics)

    def process(self, part: PackPart) -> Iterator[PackPart]:
        """Append the facts that the pack lacks, then pass it on."""
        yield measure_pack(part, self.store, self.measured, self.meter)


class Measure(beam.PTransform[PCollection[PackPart], PCollection[PackPart]]):
    """PCollection[PackPart] -> the same, each with all its pictures measured."""

    def __init__(self, store: Store, meter: Meter, what: Measured) -> None:
        super().__init__()
        self.arguments = (store, meter, what)

    def expand(self, parts: PCollection[PackPart]) -> PCollection[PackPart]:
        return parts | "Decode" >> beam.ParDo(OnAnyCore(MeasurePack(*self.arguments)))
