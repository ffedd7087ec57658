"""Saved answers of APIs, in every form that they may have, whole and damaged."""

import gzip
import json
import tracemalloc

import pytest

from byline.catalog.configs.loading import parse_config
from byline.catalog.corpora.records import UnreadableRow
from byline.catalog.digests import sha256_hex
from byline.catalog.errors import SourceError
from byline.pipelines.sources.config import SourceConfig
from byline.pipelines.sources.ingested import records_path
from byline.pipelines.sources.readers import saved_json
from byline.pipelines.sources.readers.commons import read_commons
from byline.pipelines.sources.readers.openverse import read_openverse
from byline.pipelines.sources.readers.options import ReadOptions
from byline.pipelines.sources.readers.saved_json import read_answers
from tests.apis import a_commons_page, an_openverse_result

ANSWERS = [{"results": [an_openverse_result(n)]} for n in range(3)]


def _harvested(answer, **overrides):
    body = json.dumps(answer)
    line = {"request": "https://api.example/?page=1", "retrieved_at": "2026-01-02T03:04:05Z", "pictures": 1}
    return {**line, "sha256": sha256_hex(body.encode()), "body": body, **overrides}


def _lines(values) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def _written(tmp_path, name: str, content: bytes) -> str:
    (tmp_path / name).write_bytes(content)
    return str(tmp_path / name)


FORMS = {
    "a.json": json.dumps(ANSWERS).encode(),
    "spaced.json": json.dumps(ANSWERS, indent=3).encode(),
    "bom.json": b"\xef\xbb\xbf" + json.dumps(ANSWERS).encode(),
    "a.json.gz": gzip.compress(json.dumps(ANSWERS).encode(), mtime=0),
    "a.jsonl": _lines(ANSWERS),
    "a.jsonl.gz": gzip.compress(_lines(ANSWERS), mtime=0),
    "harvested.jsonl": _lines(map(_harvested, ANSWERS)),
    "blank.jsonl": b"\n".join(json.dumps(answer).encode() for answer in ANSWERS) + b"\n\n",
}


@pytest.mark.parametrize("name", FORMS)
def test_answers_are_the_same_in_every_form(name, tmp_path):
    assert [saved.answer for saved in read_answers(_written(tmp_path, name, FORMS[name]))] == ANSWERS


def test_an_object_is_one_answer(tmp_path):
    (saved,) = read_answers(_written(tmp_path, "a.json", json.dumps(ANSWERS[0]).encode()))
    assert (saved.answer, saved.place) == (ANSWERS[0], "answer 1")


def test_an_empty_list_has_no_answers(tmp_path):
    assert list(read_answers(_written(tmp_path, "a.json", b" [ ] "))) == []


def test_a_folder_is_read_file_after_file(tmp_path):
    for name in ("b.jsonl", "a.json", "notes.txt"):
        _written(tmp_path, name, FORMS.get(name) or _lines(ANSWERS))
    places = [(saved.file[-7:], saved.place) for saved in read_answers(str(tmp_path))]
    assert [place for _, place in places] == ["answer 1", "answer 2", "answer 3", "line 1", "line 2", "line 3"]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["big.json", "big.jsonl", "big.jsonl.gz"])
def test_memory_does_not_grow_with_the_number_of_answers(form, tmp_path):
    answer = {"results": [an_openverse_result(n) for n in range(50)]}
    content = _lines([answer] * 400) if "jsonl" in form else json.dumps([answer] * 400).encode()
    path = _written(tmp_path, form, gzip.compress(content, mtime=0) if form.endswith("gz") else content)
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_openverse(path, "o")) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 1_500_000 < len(content)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"results": [{"id"\n', "no answer: "),
        (b"[1]\n", "no answer: expected an object"),
        (b"\xff\n", "no answer: "),
        (b"[" * 100_000 + b"\n", "no answer: nested too deep"),
        (b"\0" * 50 + b"\n", "no answer: "),
        (_lines([_harvested(ANSWERS[0], sha256="0" * 64)]), "no answer: the body is not what its sha256 says"),
        (_lines([_harvested([1])]), "no answer: expected an object in its body"),
        (_lines([_harvested(ANSWERS[0], request=3)]), "no answer: request and retrieved_at are not text"),
    ],
)
def test_a_line_without_an_answer_is_a_row_and_the_next_is_read(line, problem, tmp_path):
    path = _written(tmp_path, "a.jsonl", _lines(ANSWERS[:1]) + line + _lines(ANSWERS[1:2]))
    _, bad, good = read_openverse(path, "o")
    assert isinstance(bad, UnreadableRow)
    assert (bad.place, bad.problem[: len(problem)], good.id) == ("line 2", problem, "1")


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.jsonl", b"<html>\n", "is not JSON, one answer a line: Expecting value"),
        ("a.json", b"<html>", "is not JSON: Expecting value"),
        ("a.json", json.dumps(ANSWERS).encode()[:-20], "is not JSON after answer 2"),
        ("a.json", json.dumps(ANSWERS).encode() + b"x", "is not JSON after answer 3: something comes after the list"),
        ("a.json", b'[{"a": 1} {"b": 2}]', "is not JSON after answer 1: expected , or ] between answers, got '{'"),
        ("a.json", b"[1, 2]", "holds no API answers; expected an object or a list of objects"),
        ("a.json", b'"text"', "holds no API answers"),
        ("a.json", b"[" * 100_000, "is not JSON: nested too deep"),
        ("a.json", b"\xff\xfe{}", "is not JSON: "),
        ("a.json.gz", FORMS["a.json.gz"][:-20], "is not JSON"),
        ("a.jsonl.gz", FORMS["a.jsonl.gz"][:-20], "is cut short"),
    ],
)
def test_a_file_that_holds_no_answers_is_one_line(name, content, line, tmp_path):
    path = _written(tmp_path, name, content)
    with pytest.raises(SourceError) as told:
        list(read_answers(path))
    assert line in str(told.value)
    assert "\n" not in str(told.value)


def test_an_answer_without_end_is_not_read_to_the_end_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(saved_json, "MAX_ANSWER_CHARACTERS", 1 << 18)
    path = _written(tmp_path, "a.json", b'[{"a": "' + b"x" * 30_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(SourceError, match="is not JSON"):
            list(read_answers(path))
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_what_else_a_source_says_is_kept_when_the_config_asks(tmp_path):
    answer = {"query": {"pages": [a_commons_page(1)]}, "batchcomplete": True}
    path = _written(tmp_path, "a.json", json.dumps(answer).encode())
    (plain,) = read_commons(path, "c")
    (asked,) = read_commons(path, "c", ReadOptions(save_additional_columns=("sha1", "GPSLatitude", "none")))
    assert plain.extras == ()
    assert asked.extras == (("sha1", f"{1:040d}"), ("GPSLatitude", "64.1"))


@pytest.mark.parametrize("reader", [read_commons, read_openverse])
def test_columns_are_refused_where_fields_are_known(reader, tmp_path):
    path = _written(tmp_path, "a.json", b"{}")
    with pytest.raises(SourceError, match="are known; remove `columns` from the config"):
        list(reader(path, "s", ReadOptions(columns={"url": "link"})))


@pytest.mark.parametrize("answer", [{"query": []}, {"query": {"pages": 3}}, {"query": {"pages": ["x", None]}}, {}])
def test_a_commons_answer_of_another_shape_breaks_nothing(answer, tmp_path):
    rows = list(read_commons(_written(tmp_path, "a.json", json.dumps(answer).encode()), "c"))
    assert all(isinstance(row, UnreadableRow) for row in rows)


def test_a_run_is_named_after_all_files_of_a_folder(tmp_path):
    table = {"name": "o", "reader": "openverse", "path": str(tmp_path), "num_packs": 1}
    config = parse_config(table, SourceConfig, where="x")
    _written(tmp_path, "a.jsonl", _lines(ANSWERS))
    first = records_path(config)
    _written(tmp_path, "b.jsonl", _lines(ANSWERS))
    assert records_path(config) != first
