"""What harvests ask for, page after page, and what is saved and read back."""

import json
from datetime import UTC, datetime, timedelta

from byline.catalog.corpora.records import ImageRecord, UnreadableRow
from byline.catalog.digests import sha256_hex
from byline.pipelines.sources.readers.commons import read_commons
from byline.pipelines.sources.readers.openverse import read_openverse
from tests.pipelines.sources.harvest.answers import CONTACT, query_of, saved_lines


def test_commons_is_asked_page_after_page_and_read_back(commons, apis, tmp_path):
    code, (line,) = commons("--page-size", 5)
    assert (code, line.split(": ", 1)[1]) == (0, "12 pictures, 3 answers asked for; complete.")
    records = list(read_commons(str(tmp_path / "c.jsonl"), "c"))
    assert [record.id for record in records] == [f"M{n}" for n in range(1, 13)]
    assert [query_of(path).get("gcmcontinue") for path in apis.paths] == [None, "5", "10"]


def test_commons_is_asked_as_its_owners_want(commons, apis):
    commons("--page-size", 50)
    (path,) = apis.paths
    wanted = {"maxlag": "5", "formatversion": "2", "generator": "categorymembers", "gcmtitle": "Category:Lighthouses"}
    assert wanted.items() <= query_of(path).items()
    assert query_of(path)["iiprop"] == "url|user|size|mime|sha1|extmetadata"
    assert apis.agents == [agent for agent in apis.agents if agent.startswith("byline/") and f"({CONTACT})" in agent]


def test_openverse_is_asked_page_after_page_and_read_back(openverse, apis, tmp_path):
    code, (line,) = openverse("--page-size", 5, "--license", "cc0,by", "--source", "flickr")
    assert (code, line.split(": ", 1)[1]) == (0, "12 pictures, 3 answers asked for; complete.")
    records = list(read_openverse(str(tmp_path / "o.jsonl"), "o"))
    assert [record.id for record in records] == [str(n) for n in range(1, 13)]
    wanted = {"q": "lighthouse", "license": "cc0,by", "source": "flickr", "page": "2", "page_size": "5"}
    assert query_of(apis.paths[1]) == wanted


def test_a_line_has_request_time_and_the_digest_of_the_answers_own_bytes(openverse, apis, tmp_path):
    openverse("--page-size", 20)
    (line,) = saved_lines(tmp_path / "o.jsonl")
    assert line["request"] == apis.url + apis.paths[0]
    assert (
        sha256_hex(line["body"].encode()) == line["sha256"] == sha256_hex(json.dumps(json.loads(line["body"])).encode())
    )
    assert abs(datetime.now(UTC) - datetime.fromisoformat(line["retrieved_at"])) < timedelta(minutes=1)


def test_evidence_has_request_time_and_place(openverse, tmp_path):
    openverse("--page-size", 10)
    lines, path = saved_lines(tmp_path / "o.jsonl"), tmp_path / "o.jsonl"
    evidence = list(read_openverse(str(path), "o"))[11].evidence
    assert (evidence.file, evidence.retrieved_at) == (lines[1]["request"], lines[1]["retrieved_at"])
    assert evidence.place == f"{path} line 2, result 2"


def test_a_time_in_the_answer_comes_before_that_of_the_harvest(commons, tmp_path):
    commons()
    evidence = next(read_commons(str(tmp_path / "c.jsonl"), "c")).evidence
    assert evidence.retrieved_at == "2026-01-02T03:04:05Z"


def test_titles_are_asked_in_batches(commons, apis, tmp_path):
    commons("--titles", "File:1.jpg|2.jpg|File:none.jpg", "--titles", "File:4.jpg", "--page-size", 2)
    assert [query_of(path)["titles"] for path in apis.paths] == ["File:1.jpg|File:2.jpg", "File:none.jpg|File:4.jpg"]
    rows = list(read_commons(str(tmp_path / "c.jsonl"), "c"))
    assert [row.id if isinstance(row, ImageRecord) else row.problem for row in rows] == [
        *("M1", "M2", "no page of that name: 'File:none.jpg'", "M4")
    ]


def test_pages_whose_images_come_in_the_next_answer_are_read_once(commons, apis, tmp_path):
    apis.splits = True
    commons("--page-size", 6)
    assert len(apis.paths) == 4
    records = list(read_commons(str(tmp_path / "c.jsonl"), "c"))
    assert sorted(int(record.id[1:]) for record in records) == list(range(1, 13))


def test_a_bad_element_is_a_row_and_the_next_one_is_read(openverse, apis, tmp_path):
    apis.overrides = {0: {"url": None}}
    openverse()
    bad, good, *_ = read_openverse(str(tmp_path / "o.jsonl"), "o")
    assert bad == UnreadableRow(place="line 1, result 1", problem="no url")
    assert good.id == "2"
