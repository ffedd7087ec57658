"""What is joined of a record, where what a source says is not worth much."""

import re

import pyarrow as pa
import pytest

from byline.catalog.corpora.manifest import Shard
from byline.catalog.corpora.parts import parts_of, write_records
from byline.catalog.corpora.records import records_table
from byline.catalog.corpora.sample_schema import SHARD_SCHEMA
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CorpusError
from byline.catalog.policies.policy import CapRules, LicenseRules
from byline.pipelines.beam.build import build
from byline.pipelines.facts.rows import CREDIT_COLUMNS, NOBODY, Instruments, read_rows
from byline.pipelines.releases.publishing import credits_of
from tests.builders import BY_4, a_corpus, a_record
from tests.pipelines.judging.test_judge import POLICY, _reasons, a_row

BLANK = [None, "", " ", "\u00a0\t"]
FOR_NOTHING = ["nan", "NULL", "None", "n/a", "-", "unknown", "[no name]", "<br>", "Unbekannt", "\u4e0d\u660e"]
RECORDS = "records/test/1.parquet"


def _rows(folder, *records):
    store = Store(str(folder))
    write_records(store, RECORDS, records_table(records, num_packs=1))
    (part,) = parts_of(store, RECORDS)
    return read_rows(part, store, Instruments(captions="none", captions_see_pixels=False)).to_pylist()


def _lacks(row):
    return [name for bit, name in enumerate(CREDIT_COLUMNS) if row["lacks"] >> bit & 1]


@pytest.mark.parametrize("blank", [*BLANK, *FOR_NOTHING])
def test_a_blank_creator_is_nobody_and_is_missed(tmp_path, blank):
    blanks, named = _rows(
        tmp_path,
        a_record(creator=blank, creator_url=None if blank == "[no name]" else blank, title="t"),
        a_record(id="2", creator="Ada L.", title="t"),
    )
    assert (blanks["creator"], _lacks(blanks)) == (NOBODY, ["creator"])
    assert named["creator"] != NOBODY
    assert _lacks(named) == []


def test_a_creator_is_the_same_whatever_blanks_are_around_the_name(tmp_path):
    one, other = _rows(tmp_path, a_record(creator=" Ada L. "), a_record(id="2", creator="Ada L.", creator_url=" "))
    assert one["creator"] == other["creator"]


def test_a_cap_on_creators_leaves_alone_what_names_nobody():
    policy = POLICY.model_copy(update={"caps": CapRules(max_per_creator=1), "license": LicenseRules(families=("CC0",))})
    rows = [a_row(i, creator=NOBODY, lacks=1, license_claims='[["license", "CC0 1.0"]]') for i in range(1, 5)]
    assert set(map(tuple, _reasons(rows, policy=policy).values())) == {()}


@pytest.mark.parametrize("blank", [*BLANK, "nan", "my own work", "file:///home/ada/1"])
def test_a_blank_page_is_none_and_the_pictures_url_is_the_source(tmp_path, blank):
    (row,) = _rows(tmp_path, a_record(landing_url=blank, title="t", creator="Ada L."))
    assert _lacks(row) == []
    assert _source_url(tmp_path, blank) == "https://pictures.example/1.jpg"
    assert _source_url(tmp_path, "https://pictures.example/1") == "https://pictures.example/1"


@pytest.mark.parametrize(
    ("url", "lacks"),
    [("held:a%20b/1.jpg", []), ("http://a.example/1.jpg", []), ("held:", ["source"]), ("scans/1.jpg", ["source"])],
)
def test_a_source_is_a_page_or_a_file_that_can_be_found(tmp_path, url, lacks):
    (row,) = _rows(tmp_path, a_record(url=url, landing_url="see my website", title="t", creator="Ada L."))
    assert _lacks(row) == lacks


@pytest.mark.slow
@pytest.mark.parametrize(
    ("measure", "column", "values", "said"),
    [
        ("hashes", "phash256", pa.nulls(12, pa.binary(32)), "phash256 is missing"),
        ("hashes", "views", pa.array([b"1" * 80] * 12, pa.binary()), "views of row 0 have 80 bytes"),
        ("quality", "flatness", pa.nulls(12, pa.float64()), "flatness is missing"),
    ],
)
@pytest.mark.beam
def test_damaged_measures_are_told_where_pairs_were_found_before(tmp_path, measure, column, values, said):
    """A picture without a hash would be no copy of anything."""
    config = a_corpus(tmp_path, num_packs=1)
    store = build(str(config), workers=1).store
    (instrument,) = store.folders(f"facts/{measure}")
    (name,) = store.files(f"facts/{measure}/{instrument}", suffix=".parquet")
    path = f"facts/{measure}/{instrument}/{name}"
    table = store.read_table(path)
    store.write_table(path, table.set_column(table.schema.get_field_index(column), column, values))
    for kept in store.files("judgements/rows"):
        store.remove(f"judgements/rows/{kept}")
    with pytest.raises(CorpusError, match=re.escape(f"parquet are damaged ({said}")):
        build(str(config), workers=1)


def _source_url(folder, landing_url):
    """Return what the credit of a sample with this page says of its source."""
    store = Store(str(folder))
    said = {"sha256": "0" * 64, "record_id": "test:1", "license": "CC-BY-4.0", "license_url": BY_4, "split": "train"}
    said |= {"url": "https://pictures.example/1.jpg", "landing_url": landing_url}
    store.write_table("shards/test.parquet", pa.Table.from_pylist([said], schema=SHARD_SCHEMA))
    shard = Shard(
        name="test.tar", pack="test-00000", split="train", sha256="", table_sha256="", num_samples=1, num_bytes=0
    )
    (credit,) = credits_of([shard], store, "none").to_pylist()
    return credit["source_url"]
