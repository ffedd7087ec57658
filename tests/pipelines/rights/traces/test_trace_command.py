"""What `byline trace` prints, where it looks, and its one-line errors."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from byline.catalog.errors import ConfigError
from byline.cli.corpus import find_corpus
from byline.pipelines.rights.traces.tracing import kind_of
from byline.reports.seen import find_checkpoints
from tests.builders import BY_4
from tests.pipelines.rights.traces.traced import (
    PICTURES,
    REPOSITORY,
)


@pytest.mark.parametrize(
    ("x", "kind"),
    [("a" * 64, "sha256"), ("A" * 63, "record"), ("https://a.org", "url"), ("a:1", "record"), (__file__, "picture")]
    + [(x, "url") for x in ("a.org/1.jpg", "www.A.org:80/1.jpg", "//a.org/", "b\u00fccher.example/1.jpg")]
    + [(x, "record") for x in ("a.org", "a/1.jpg", "./a.jpg", "../a/1.jpg", "a:b.org/1.jpg", "a.jpg", "a b.org/1")],
)
def test_kinds(x, kind):
    assert kind_of(x) == kind


def _byline(*arguments, cwd):
    script = "import sys; sys.argv[0] = 'byline'\nfrom byline.cli.main import main\ntry:\n    main()\nfinally:\n"
    script += "    heavy = {'torch', 'pandas', 'apache_beam', 'transformers'} & set(sys.modules)\n"
    script += "    print(sorted(heavy), file=sys.stderr)\n"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "COLUMNS": "80"}
    command = [sys.executable, "-c", script, "trace", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("x", ["test:0", f"{PICTURES}/0.jpg"])
def test_the_command_finds_corpus_and_runs_fits_80_columns_and_loads_nothing_heavy(folder, x):
    told = _byline(x, cwd=folder)
    assert told.returncode == 0
    assert told.stderr.strip() == "[]"
    assert max(map(len, told.stdout.splitlines())) <= 80
    for expected in ("Ada L.", "CC-BY-4.0", BY_4, "models/run/checkpoints", "not known models/stranger"):
        assert expected in told.stdout
    assert "[bold]evil[/]" in told.stdout
    assert not set("\x1b\u202e") & set(told.stdout)


def test_json_is_complete_stable_and_ascii(folder):
    first, second = (_byline("test:1", "--json", cwd=folder) for _ in range(2))
    assert first.stdout == second.stdout
    assert first.stdout.isascii()
    told = json.loads(first.stdout)
    assert told["looked_for"] == {"kind": "record", "value": "test:1"}
    (record,) = told["records"]
    assert set(record) == {
        "record_id", "source", "pack", "distance_bits", "view", "said", "attempts", "facts", "releases"
    }  # fmt: skip
    assert {release["is_newest"] for release in record["releases"]} == {True, False}
    assert len(told["checkpoints_not_known"]) >= 1


@pytest.mark.parametrize("x", ["test:99", "https://a.org/1.jpg", "0" * 64])
def test_nothing_found_is_one_line_and_1(folder, x):
    told = _byline(x, cwd=folder)
    assert told.returncode == 1
    (line,) = told.stdout.splitlines()
    assert x in line


def test_none_or_several_corpora_are_an_error_that_names_them(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="no corpus in the current folder"):
        find_corpus(None)
    with pytest.raises(ConfigError, match="no corpus at nowhere"):
        find_corpus("nowhere")
    for name in ("one", "deep/two"):
        (tmp_path / name).mkdir(parents=True)
        shutil.copy(folder / "corpus/corpus.toml", tmp_path / name)
    with pytest.raises(ConfigError, match="2 corpora here: deep/two, one"):
        find_corpus(None)
    shutil.rmtree(tmp_path / "one")
    shutil.copy(folder / "corpus.toml", tmp_path)  # a config is no corpus
    assert find_corpus(None).root == "deep/two"


def test_a_checkpoint_of_a_version_that_cannot_tell_is_not_known(copy, newest, folder):
    for path in (copy / newest.path / "verdicts").iterdir():
        path.write_bytes(b"edited")
    told = _byline("test:2", "--run", str(folder / "models/run"), "--json", cwd=copy.parent)
    paths = [one.path for one in find_checkpoints([str(folder / "models/run")], newest.store).readable]
    assert json.loads(told.stdout)["checkpoints_not_known"] == paths
