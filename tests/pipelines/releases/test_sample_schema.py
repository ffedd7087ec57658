"""One schema for every sample: what readers infer from the first ones is true of all."""

import json

import pyarrow as pa
import pytest

from byline.catalog.corpora.sample_schema import SAMPLE_COLUMNS, SAMPLE_SCHEMA, samples_table
from byline.pipelines.beam.build import build
from tests.builders import a_picture, a_yfcc_line, encoded, write_corpus

pytestmark = pytest.mark.beam
NUMBERS = {"width", "height", "original_width", "original_height"}
PAGE = "https://pictures.example/of/1"


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """Return the release of two pictures, of which one has a page."""
    folder = tmp_path_factory.mktemp("schema")
    said = [{"pageurl": ""}, {"pageurl": PAGE}]
    lines = [a_yfcc_line(str(n), f"https://pictures.example/{n}.jpg", **said[n]) for n in range(2)]
    config = write_corpus(folder, lines)
    for number in range(2):
        (folder / f"pictures/{number}.jpg").write_bytes(encoded(a_picture(number)))
    return build(str(config), workers=1)


def test_what_is_not_stated_is_empty_text():
    nothing = {name: pa.chunked_array([pa.nulls(1, SAMPLE_SCHEMA.field(name).type)]) for name in SAMPLE_COLUMNS}
    sizes = {name: pa.chunked_array([[256]], pa.int32()) for name in NUMBERS}
    expected = {name: 256 if name in NUMBERS else "" for name in SAMPLE_COLUMNS}
    assert samples_table(nothing | sizes).to_pylist() == [expected]


def test_every_json_has_every_key_with_its_one_type(release):
    said = [json.loads(sample["json"]) for shard in release.manifest.shards for sample in release.samples(shard)]
    expected = {name: int if name in NUMBERS else str for name in SAMPLE_COLUMNS}
    assert all({name: type(value) for name, value in one.items()} == expected for one in said)
    assert {one["landing_url"] for one in said} == {"", PAGE}


def test_what_is_not_stated_is_null_in_the_credits(release):
    credits = release.store.read_table(f"{release.path}/credits.parquet")
    assert credits["creator_url"].null_count == len(credits) == 2
