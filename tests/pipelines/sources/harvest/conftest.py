"""A loopback server that speaks both APIs, and the command line that harvests it."""

import sys

import pytest

from byline.cli.main import main
from tests.apis import the_apis
from tests.pipelines.sources.harvest.answers import CONTACT


@pytest.fixture(autouse=True)
def _no_key(monkeypatch):
    for name in ("OPENVERSE_CLIENT_ID", "OPENVERSE_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def apis():
    with the_apis() as server:
        yield server


@pytest.fixture
def byline(monkeypatch, capsys):
    """Run the command line and return its exit status and the lines that it wrote to both streams."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["byline", "harvest", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        said = capsys.readouterr()
        lines = [line.strip() for line in (said.out + said.err).splitlines()]
        return stopped.value.code or 0, [line for line in lines if line]

    return run


@pytest.fixture
def commons(apis, byline, tmp_path):
    def run(*arguments, contact=CONTACT, out=None):
        named = ("--contact", contact) if contact else ()
        out = out or tmp_path / "c.jsonl"
        way = () if {"--titles", "--search", "--category"} & set(arguments) else ("--category", "Lighthouses")
        return byline("commons", "--out", out, "--api", f"{apis.url}/w/api.php", *named, *way, *arguments)

    return run


@pytest.fixture
def openverse(apis, byline, tmp_path):
    def run(*arguments):
        start = ("--out", tmp_path / "o.jsonl", "--api", apis.url, "--contact", CONTACT, "--q", "lighthouse")
        return byline("openverse", *start, *arguments)

    return run
