"""Harvests that end early and go on: limits, torn lines, kills, files of something else."""

import json
import subprocess
import sys

import pytest

from tests.kills import kill_when
from tests.pipelines.sources.harvest.answers import CONTACT, query_of, saved_lines


def test_a_limit_ends_a_harvest_and_a_higher_one_goes_on(commons, apis):
    assert commons("--page-size", 5, "--limit", 7)[1][0].endswith(
        "10 pictures, 2 answers asked for; there is more: run it again with a higher --limit."
    )
    assert "12 pictures, 1 answers asked for; complete." in commons("--page-size", 5, "--limit", 100)[1][0]


def test_openverse_that_gives_no_more_pages_is_told(openverse, apis):
    apis.max_pages = 2
    code, lines = openverse("--page-size", 5)
    assert code == 0
    assert lines[1].startswith("Openverse gives 10 of the 12 results of one search (page 2 is the last).")


@pytest.mark.parametrize("torn", [1, 100, -1])
def test_a_torn_line_is_cut_and_no_whole_answer_is_asked_for_again(commons, apis, tmp_path, torn):
    commons("--page-size", 3)
    whole = (tmp_path / "c.jsonl").read_bytes()
    lines = whole.splitlines(keepends=True)
    (tmp_path / "c.jsonl").write_bytes(b"".join(lines[:2]) + lines[2][:torn])
    apis.asked.clear()
    assert commons("--page-size", 3)[0] == 0
    assert [query_of(path)["gcmcontinue"] for path in apis.paths] == ["6", "9"]
    ours = [line["body"] for line in saved_lines(tmp_path / "c.jsonl")]
    assert ours == [json.loads(line)["body"] for line in lines]


def test_zeros_after_a_power_cut_are_cut(openverse, apis, tmp_path):
    openverse("--page-size", 6, "--limit", 6)
    with open(tmp_path / "o.jsonl", "ab") as file:
        file.write(bytes(5000))
    assert openverse("--page-size", 6)[0] == 0
    assert len(saved_lines(tmp_path / "o.jsonl")) == 2


def test_a_whole_harvest_is_asked_nothing(commons, apis):
    commons()
    apis.asked.clear()
    assert "12 pictures, 0 answers asked for; complete." in commons()[1][0]
    assert apis.asked == []


def test_a_killed_harvest_asks_for_no_answer_twice(apis, tmp_path):
    out = tmp_path / "c.jsonl"
    apis.num_pictures = 40
    command = [sys.executable, "-m", "byline.cli.main", "harvest", "commons", "--out", out, "--category", "A"]
    command += ["--api", f"{apis.url}/w/api.php", "--contact", CONTACT, "--page-size", "1"]
    for number in (10, 20):
        kill_when(subprocess.Popen(command), lambda number=number: len(apis.asked) >= number)
    subprocess.run(command, check=True, capture_output=True)
    requests = [line["request"] for line in saved_lines(out)]
    assert len(set(requests)) == len(requests) == 40
    assert len(apis.asked) <= 42  # of an answer that was under way when it was killed nothing was saved


def test_another_question_is_not_added_to_a_harvest(commons, apis):
    commons("--page-size", 5)
    code, (line,) = commons("--category", "Windmills", "--page-size", 5)
    assert code == 2
    assert "is the harvest of something else" in line
    assert line.endswith("give another --out")


def test_two_at_once_do_not_write_one_file(commons, tmp_path):
    from byline.pipelines.sources.harvest.saved import open_saved

    with open_saved(str(tmp_path / "c.jsonl")):
        assert "another byline harvest writes" in commons()[1][0]


@pytest.mark.parametrize("content", [b"my notes", b"my notes\n", b'{"results": []}\n'])
def test_a_file_of_something_else_is_left_as_it_is(commons, tmp_path, content):
    (tmp_path / "c.jsonl").write_bytes(content)
    code, (line,) = commons()
    assert (code, (tmp_path / "c.jsonl").read_bytes()) == (2, content)
    assert "was not written by byline harvest; give another file as --out" in line


def test_a_damaged_last_line_is_told_and_left(openverse, tmp_path):
    openverse()
    damaged = (tmp_path / "o.jsonl").read_bytes().replace(b"Number 3", b"Number 4")
    (tmp_path / "o.jsonl").write_bytes(damaged)
    code, (line,) = openverse()
    assert (code, (tmp_path / "o.jsonl").read_bytes()) == (2, damaged)
    assert "is damaged (the body is not what its sha256 says)" in line
