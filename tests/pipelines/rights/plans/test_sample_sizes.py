"""Sizes of samples, told without writing any."""

import numpy as np
import pyarrow as pa
import pytest

from byline.catalog.corpora.sample_schema import SAMPLE_COLUMNS, SAMPLE_SCHEMA, samples_table
from byline.catalog.corpora.sample_sizes import JUDGED, json_bytes, other_bytes, sample_sizes
from byline.catalog.digests import canonical_json
from byline.catalog.disk.tars import sample_bytes
from byline.catalog.licenses.reading import license_url
from byline.pipelines.releases.samples import sample_members

pytestmark = pytest.mark.beam
TEXTS = ["", "plain", 'a "quoted" \\ path', "tab\tnewline\n\x00\x1f\x7f", "和平 é 🙂", None]
"""None where nothing is stated, as records have it."""


def _sample(number):
    """Return a sample whose text has whatever JSON escapes, and whose license and split differ by number."""
    license, split = ("CC0-1.0", "LicenseRef-unknown")[number % 2], ("heldout", "train")[number % 2]
    text = TEXTS[number % len(TEXTS)]
    said = {"key": f"{number:064x}", "caption": (text or "") + "x" * number, "width": 256, "height": 10**number}
    said |= {"original_width": 0, "original_height": 2**31 - 1}
    judged = {"license": license, "license_url": license_url(license), "split": split}
    return dict.fromkeys(SAMPLE_COLUMNS, text) | said | judged


def test_sizes_of_samples_are_those_of_their_bytes():
    rows = [_sample(number) for number in range(10)]
    records = pa.Table.from_pylist(rows, schema=SAMPLE_SCHEMA)
    samples = samples_table({name: records[name] for name in SAMPLE_COLUMNS}).to_pylist()
    said = {name: records[name] for name in SAMPLE_COLUMNS if name not in JUDGED}
    judged = [sum(len(canonical_json(sample[name])) for name in JUDGED) for sample in samples]
    assert (json_bytes(said) + judged).tolist() == [len(canonical_json(sample)) for sample in samples]
    pictures = [bytes(size) for size in (0, 1, 511, 512, 513, 9999, 1024, 7, 8, 9)]
    others = other_bytes(np.array([len(picture) for picture in pictures]), records["caption"])
    licenses, places = ["CC0-1.0", "LicenseRef-unknown"], np.arange(len(rows)) % 2
    sizes = sample_sizes(json_bytes(said), others, places, licenses, places == 0)
    made = [len(sample_bytes(sample_members(row, data))) for row, data in zip(samples, pictures, strict=True)]
    assert sizes.tolist() == made
