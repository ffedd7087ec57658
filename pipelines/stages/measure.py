"""Measure every fetched picture once: perceptual hashes and quality, from one decode. The policy is never seen."""

from io import BytesIO

import apache_beam as beam
from apache_beam.pvalue import PCollection
from PIL import Image

from catalog.packs import read_images, read_index
from catalog.storage import Store
from dedup.colors import color_grid
from dedup.hashes import perceptual_hashes, pixel_digest
from dedup.quality import measure_quality
from pipelines.measures import hash_facts, quality_facts
from pipelines.parts import PackPart
from pipelines.progress import Meter

Row = dict[str, object]


def measure_image(sha256: str, data: bytes) -> tuple[Row, Row]:
    """Return the hash row and the quality row of one stored picture."""
    with Image.open(BytesIO(data)) as stored:
        image = stored.convert("RGB")
    phash64, phash256 = perceptual_hashes(image)
    hashes: Row = {
        "phash64": phash64,
        "phash256": phash256,
        "colors": color_grid(image),
        "pixels": pixel_digest(image),
    }
    quality = measure_quality(image)
    numbers: Row = {
        "sharpness": quality.sharpness,
        "flatness": quality.flatness,
        "contrast": quality.contrast,
    }
    return {"sha256": sha256, **hashes}, {"sha256": sha256, **numbers}


def measure_pack(part: PackPart, store: Store, meter: Meter) -> PackPart:
    """Measure what is new in a pack."""
    with meter.pack("measure", part.num_records) as count:
        index = read_index(store, part.pack)
        fetched = [key for key in index["key"].to_pylist() if key]
        tables = hash_facts(store), quality_facts(store)
        lacking = {key for table in tables for key in table.lacking(part.pack, fetched)}
        rows = []
        for sha256, data in read_images(store, index, only=lacking):
            rows.append(measure_image(sha256, data))
            count(1)
        for table, new in zip(tables, zip(*rows, strict=True), strict=False):
            known = set(table.read(part.pack)["sha256"].to_pylist())
            table.append(part.pack, [row for row in new if row["sha256"] not in known])
    return part


class Measure(beam.PTransform[PCollection[PackPart], PCollection[PackPart]]):
    """PCollection[PackPart] -> the same, each with all its pictures measured."""

    def __init__(self, store: Store, meter: Meter) -> None:
        super().__init__()
        self.arguments = (store, meter)

    def expand(self, parts: PCollection[PackPart]) -> PCollection[PackPart]:
        return parts | "Decode" >> beam.Map(measure_pack, *self.arguments)
