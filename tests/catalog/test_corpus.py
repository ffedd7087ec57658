"""What a corpus says of itself beside its pictures: its settings, and notes of what byline wrote about it."""

import json

import pytest

from byline.catalog.corpora.corpus import read_settings, write_settings
from byline.catalog.corpora.written import note_written, read_written
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CorpusError


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a = " + "[" * 5000 + "]" * 5000, "nested too deep"),
        ("a = " + "{b = " * 200 + "1" + "}" * 200, "nested too deep"),
        ("format = ", "is not TOML"),
        ("format = 2\nn = " + "9" * 10_000, "is not TOML"),
        (b"format = 2\nn = '\xff'", "is not TOML"),
    ],
)
def test_settings_that_are_damaged_are_one_line(text, why, tmp_path):
    store = Store(str(tmp_path))
    (tmp_path / "corpus.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CorpusError, match=rf"corpus.toml .*{why}.*: it is damaged; restore it") as told:
        read_settings(store)
    assert "\n" not in str(told.value)


@pytest.fixture
def noted(tmp_path):
    """Return a corpus with notes of two pages, and the files of these."""
    store = Store(str(tmp_path))
    write_settings(store, {})
    for page in ("a.html", "b.html"):
        note_written(store, f"/pages/{page}", "byline report")
    written, damaged = read_written(store)
    assert ([one.path for one in written], damaged) == (["/pages/a.html", "/pages/b.html"], {})
    files = {json.loads(path.read_text())["path"]: path for path in (tmp_path / "written").iterdir()}
    return store, files


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-9],
        lambda data: b"",
        lambda data: b"[" * 100_000,
        lambda data: data.replace(b"a.html", b"c.html"),
        lambda data: b'{"place": "/pages/a.html"}',
        lambda data: b"[]",
    ],
)
def test_a_damaged_note_is_told_and_the_others_are_read(change, noted):
    store, files = noted
    path = files["/pages/a.html"]
    path.write_bytes(change(path.read_bytes()))
    written, damaged = read_written(store)
    assert [one.path for one in written] == ["/pages/b.html"]
    ((where, why),) = damaged.items()
    assert where == store.url(f"written/{path.name}")
    assert "delete it, once you know of all pages and exports of this corpus: it names one" in why
    assert "\n" not in why


def test_what_an_older_byline_noted_is_read(noted):
    store, files = noted
    path = files["/pages/a.html"]
    path.write_bytes(b'{"by":"byline report","path":"/pages/a.html"}\n')
    assert [one.path for one in read_written(store)[0]] == ["/pages/a.html", "/pages/b.html"]
