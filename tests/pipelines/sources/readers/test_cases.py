"""Tables, folders, pictures and servers as people have them: `byline init` takes each, and one build over all gives the
right rows.

Drawn for this purpose, each after a report of a person who does this work.
"""

import gzip
import json
import re
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from byline.captioning.captioners import CaptionRequest
from byline.captioning.source_text import SourceTextCaptioner, SourceTextConfig
from byline.pipelines.beam.build import build, load_corpus_config
from byline.pipelines.sources.beginning.finding import find
from byline.pipelines.sources.beginning.sampling import sample
from byline.pipelines.sources.beginning.writing import config_text
from byline.pipelines.sources.ingested import records_path
from byline.pipelines.sources.readers.options import AS_IT_IS
from byline.pipelines.sources.readers.taken import names_taken
from tests.builders import a_picture, a_server, encoded
from tests.pipelines.releases.released import verdicts_of

CASES = Path(__file__).parent / "cases"
BY_2, BY_4, CC0 = "CC-BY-2.0", "CC-BY-4.0", "CC0-1.0"
SERVED, SIGNED, OUTAGE = "http://127.0.0.1:8471/", "web/signed", "web/outage"
ALIKE = ("duplicate:", "quarantine:")
"""Reasons that follow from equal pictures at equal URLs, of which every table speaks."""


class Right(NamedTuple):
    """What becomes of a case."""

    reader: str
    num_records: int
    caption: str
    """Of the first record, in the order of ids; the empty text where nothing says one."""
    licenses: set[str]
    reasons: tuple[str, ...] = ()
    """For which its records are refused, save that they are alike."""


RIGHT = {
    "tables/csv-semicolon-comma-header": Right("csv", 12, "", {BY_4}, ("caption:missing",)),
    "tables/hf-image": Right("parquet", 12, "Picture number 0", {BY_4}, ("creator:missing",)),
    "tables/hive": Right("parquet", 12, "Picture number 1", {BY_4, CC0}),
    "tables/json-text-tags": Right("parquet", 12, "sea, boat", {BY_2}),
    "tables/list-text-tags": Right("parquet", 12, "sea, boat, harbor", {BY_2}),
    "tables/nested": Right("parquet", 12, "Picture number 7", {BY_2}),
    "tables/sparse-column": Right("parquet", 40, "View over harbor 0", {BY_4}),
    "tables/struct-tags": Right("parquet", 12, "Picture number 7", {BY_2}),
    "tables/tsv-one-open-quote": Right("csv", 12, "An old town 0", {BY_4}),
    "tables/tsv-quotes": Right("csv", 12, '"Big Bell" at night 0', {BY_4}),
    "tables/yfcc-sqlite": Right("parquet", 12, "Picture number 0", {BY_2}),
    "folders/csv-table": Right("folder", 3, "Harbor view 0", {BY_4}),
    "folders/hf-imagefolder": Right("folder", 3, "a photo of a red boat in harbor 0", {BY_4}),
    "folders/image-column": Right("folder", 3, "Harbor view 0", {BY_4}),
    "folders/json-array": Right("folder", 3, "Harbor view 0", {BY_4}),
    "folders/names": Right("folder", 5, "Another case", {BY_4}),
    "folders/parquet-table": Right("folder", 3, "Harbor view 0", {BY_4}),
    "folders/sidecar-shapes": Right("folder", 5, "Nested author", {BY_4}),
    "web/signed": Right("csv", 17, "Content encoding gzip", {BY_4}),
    "web/outage": Right("csv", 40, "View over river 0", {BY_4}, ("fetch:unreachable",)),
    "images/no-eoi": Right("folder", 1, "no eoi", {BY_4}),
    "folders/txt-captions": Right("folder", 4, "a red boat in harbor 0", {BY_4}),
}


def test_every_case_has_a_row():
    assert {str(case.relative_to(CASES)) for kind in CASES.iterdir() for case in kind.iterdir()} == set(RIGHT)


@pytest.mark.parametrize("case", RIGHT)
def test_init_takes_every_case(case, tmp_path):
    found = find(str(CASES / case))
    assert (found.reader, found.num_rows) == (RIGHT[case].reader, RIGHT[case].num_records)
    assert sample(found, "s", AS_IT_IS).unreadable == []
    taken = names_taken(found.reader, found.path)
    assert f'reader = "{found.reader}"' in config_text(found, taken, tmp_path, options=AS_IT_IS)


@contextmanager
def a_strict_server():
    """Give a server of the pictures of `web/signed`, which knows each by its target, byte for byte."""
    rows = (CASES / SIGNED / "t.csv").read_text().splitlines()[1:]
    targets = [row.split(",")[1].removeprefix(SERVED[:-1]) for row in rows]
    signed = [target for target in targets if target.startswith("/signed/")]
    answers = {target: (200, "image/jpeg", encoded(a_picture(200 + n))) for n, target in enumerate(signed)}
    for target in targets:
        if target.startswith("/tosigned/"):
            answers[target] = (302, "text/html", b"", [("Location", signed[int(target.rpartition("/")[2])])])
        elif target.startswith("/ce/gzip"):
            packed = gzip.compress(encoded(a_picture(300)))
            answers[target] = (200, "image/jpeg", packed, [("Content-Encoding", "gzip")])
    with a_server(answers) as (base, _):
        yield base


def _asks(case, folder, base):
    """Return where a table is whose URLs are those of a case at another server."""
    path = folder / case
    path.mkdir(parents=True)
    (path / "t.csv").write_text(re.sub(r"http://127.0.0.1:\d+", base, (CASES / case / "t.csv").read_text()))
    return path


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return the config of all cases, and the release that one build made of them."""
    folder = tmp_path_factory.mktemp("cases")
    with a_strict_server() as base:
        with a_server({}) as (gone, _):
            elsewhere = {OUTAGE: _asks(OUTAGE, folder, gone), SIGNED: _asks(SIGNED, folder, base)}
        return _built(folder, elsewhere)


def _built(folder, elsewhere):
    pictures = folder / "served" / "ok"
    pictures.mkdir(parents=True)
    for number in range(40):
        (pictures / f"t{number}.jpg").write_bytes(encoded(a_picture(number)))
        (pictures / f"nu{number}.jpg").write_bytes(encoded(a_picture(100 + number)))
    paths = {case: elsewhere.get(case, CASES / case) for case in RIGHT}
    sources = "".join(
        f'[[sources]]\nname = "{Path(case).name}"\nreader = "{right.reader}"\npath = "{paths[case]}"\nnum_packs = 1\n'
        for case, right in RIGHT.items()
    )
    config = folder / "cases.toml"
    config.write_text(
        f'name = "cases"\nroot = "{folder / "corpus"}"\npolicy = "commercial"\n{sources}'
        '[fetch]\ncontact = "tests@byline.example"\nallow = ["127.0.0.0/8"]\nmax_wait_s = 1\n'
        '[caption]\ncaptioner = "source-text"\n'
        f'[serve]\n"{SERVED}" = "{folder / "served"}"\n'
    )
    release = build(str(config), workers=1)
    return load_corpus_config(str(config))[0], release


@pytest.mark.slow
@pytest.mark.beam
@pytest.mark.parametrize("case", RIGHT)
def test_one_build_reads_every_case_as_it_is_meant(case, built):
    config, release = built
    right, name = RIGHT[case], Path(case).name
    source = next(one for one in config.sources if one.name == name)
    path = records_path(source)
    counts = json.loads(config.store.read_bytes(path.replace(".parquet", ".counts.json")))
    assert (counts["records"], counts["unreadable"]) == (right.num_records, 0)
    records = sorted(config.store.read_table(path).to_pylist(), key=lambda row: row["record_id"])
    assert _caption(records[0]) == right.caption
    verdicts = [row for row in verdicts_of(release).values() if row["record_id"].startswith(f"{name}:")]
    assert {row["license"] for row in verdicts} == right.licenses
    reasons = {reason for row in verdicts for reason in row["reasons"] if not reason.startswith(ALIKE)}
    assert reasons == set(right.reasons)


def _caption(record):
    said = {"title": record["title"] or "", "tags": tuple(record["tags"] or ())}
    request = CaptionRequest(sha256="0" * 64, image=None, **said)
    (text,) = SourceTextCaptioner(SourceTextConfig()).caption([request])
    return text


@pytest.mark.slow
@pytest.mark.beam
def test_in_a_column_that_is_empty_at_first_every_sample_has_text(built):
    _, release = built
    said = [json.loads(sample["json"]) for shard in release.manifest.shards for sample in release.samples(shard)]
    of_sparse = [one for one in said if one["record_id"].startswith("sparse-column:")]
    assert len(of_sparse) == 40
    assert {type(one["creator_url"]) for one in of_sparse} == {str}
    assert len({one["creator_url"] for one in of_sparse}) > 1
