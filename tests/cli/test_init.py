"""`byline init`: what it finds, what it writes, and that what it writes builds."""

import csv
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from byline.catalog.configs.loading import load_config
from byline.catalog.corpora.manifest import Release
from byline.catalog.policies.policy import Policy
from byline.pipelines.corpora.config import CorpusConfig, load_corpus_config
from byline.pipelines.sources.readers import read_source
from byline.pipelines.sources.readers.yfcc import read_yfcc
from tests.builders import a_picture, a_server, a_yfcc_line, encoded

SAMPLES = Path(__file__).parents[2] / "samples"
NUM_PICTURES = 6


def _byline(*arguments, cwd):
    command = [sys.executable, "-m", "byline.cli.main", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "80"}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False, env=environment)


def _credited(header):
    """Yield rows of real photographs, under a header of a person's own."""
    names = header.split(",")
    records = [record for record in read_yfcc(str(SAMPLES / "sources/yfcc.tsv"), "y") if "/photographs/" in record.url]
    for record in records[:NUM_PICTURES]:
        file = record.url.rsplit("/", 1)[1]
        yield (
            file,
            dict(zip(names, (file, record.title, record.creator, record.license_claims[-1][1], "x"), strict=True)),
        )


def _photographs(folder: Path, header: str) -> Path:
    folder.mkdir()
    with open(folder / "metadata.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, header.split(","))
        writer.writeheader()
        for name, row in _credited(header):
            shutil.copy(SAMPLES / "photographs" / name, folder)
            writer.writerow(row)
    return folder


@pytest.mark.slow
@pytest.mark.beam
def test_a_folder_of_real_photographs_builds_with_what_init_wrote(tmp_path):
    _photographs(tmp_path / "museum", "file_name,Title,Creator,Licence,rights holder")
    done = _byline("init", "museum", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for line in (
        "license      <- Licence",
        "rights holder (nearest: creator)",
        "next         byline build byline.toml",
    ):
        assert line in done.stdout
    built = _byline("build", "byline.toml", cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    assert "source museum: in it and not used: rights holder (nearest: creator)" in built.stderr
    assert Release(str(tmp_path / built.stdout.strip())).manifest.counts["admitted"] == NUM_PICTURES
    again = _byline("build", "byline.toml", cwd=tmp_path)
    assert (again.stdout, "not used" in again.stderr) == (built.stdout, False)


@pytest.mark.slow
@pytest.mark.beam
def test_a_table_of_urls_builds_with_what_init_wrote_and_tells_of_its_bad_rows(tmp_path):
    answers = {f"/{n}.jpg": (200, "image/jpeg", encoded(a_picture(n))) for n in range(3)}
    with a_server(answers) as (url, asked):
        rows = [f"{url}/{n}.jpg,Picture number {n},Ada,CC BY 4.0\n" for n in range(3)]
        (tmp_path / "list.csv").write_text(
            "".join(["Image URL,Caption,Author,Licence\n", *rows, "one,two\n", ",b,c,d\n"])
        )
        done = _byline("init", "list.csv", "--contact", "tests@byline.example", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        config = tmp_path / "byline.toml"
        config.write_text(config.read_text().replace("contact =", 'allow = ["127.0.0.0/8"]\ncontact ='))
        built = _byline("build", "byline.toml", cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    assert sorted(asked) == sorted(answers)
    assert Release(str(tmp_path / built.stdout.strip())).manifest.counts["admitted"] == 3
    told = built.stderr[built.stderr.index("source list: 2 rows could not be read") :].splitlines()
    assert told[1:3] == ["  line 5: 2 columns; expected 4", "  line 6: no url"]
    assert told[3].startswith("  all of them are in ")
    assert (tmp_path / told[3].removeprefix("  all of them are in ")).is_file()


@pytest.mark.slow
@pytest.mark.beam
def test_an_empty_release_says_which_name_comes_near_a_license(tmp_path):
    _photographs(tmp_path / "museum", "file_name,Title,Creator,Licens,shelf")
    assert _byline("init", "museum", cwd=tmp_path).returncode == 0
    built = _byline("build", "byline.toml", cwd=tmp_path)
    assert built.returncode == 2
    assert "none admitted" in built.stderr
    assert "source museum has names that are not used: Licens (nearest: license)" in built.stderr.splitlines()[-1]
    assert "no license is stated: a column or key `license`, or the pictures themselves, say it" in built.stderr


@pytest.mark.slow
@pytest.mark.beam
def test_an_empty_release_names_the_table_that_was_not_read(tmp_path):
    _photographs(tmp_path / "museum", "file_name,Title,Creator,License,shelf")
    (tmp_path / "museum/metadata.csv").rename(tmp_path / "museum/museum.csv")
    assert _byline("init", "museum", cwd=tmp_path).returncode == 0
    built = _byline("build", "byline.toml", cwd=tmp_path)
    assert built.returncode == 2
    assert (
        "source museum: 1 could not be read, the first: museum.csv: no picture; the table of a folder's pictures is "
        "called 'metadata.csv'"
    ) in built.stderr.splitlines()[-1]


def test_from_within_the_pictures_a_folder_beside_them_is_made(tmp_path):
    folder = _photographs(tmp_path / "museum", "file_name,title,creator,license,shelf")
    before = sorted(folder.iterdir())
    done = _byline("init", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert sorted(folder.iterdir()) == before
    config = tomllib.loads((tmp_path / "museum-corpus/byline.toml").read_text())
    assert config["sources"] == [{"name": "museum", "reader": "folder", "path": "../museum", "num_packs": 1}]
    assert load_config(tmp_path / "museum-corpus/policy.toml", Policy).license.families


def test_what_is_there_is_never_overwritten(tmp_path):
    (tmp_path / "list.csv").write_text("url\nhttp://x.example/1\n")
    (tmp_path / "byline.toml").write_text("mine")
    done = _byline("init", "list.csv", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "byline.toml is there already and stays as it is" in done.stderr
    assert ((tmp_path / "byline.toml").read_text(), (tmp_path / "policy.toml").exists()) == ("mine", False)


def test_a_large_table_gets_packs_of_ten_thousand_and_names_of_others_cannot_end_a_comment(tmp_path):
    rows = "".join(f"http://x.example/{n:06d},t\n" for n in range(25_000))
    (tmp_path / "big list.csv").write_text(f'url,"a\nname = ""evil"""\n{rows}')
    assert _byline("init", "big list.csv", cwd=tmp_path).returncode == 0
    config = tomllib.loads((tmp_path / "byline.toml").read_text())
    assert (config["name"], config["sources"][0]["num_packs"]) == ("big-list", 3)


def test_a_table_without_a_header_is_begun_with_the_names_that_are_said(tmp_path):
    rows = "".join(f"a town {number}\thttp://x.example/{number}\n" for number in range(3))
    (tmp_path / "t.tsv").write_text(rows)
    done = _byline("init", "t.tsv", "--column-names", "caption, url", "--into", "new", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "http://x.example/0" in done.stdout
    (source,) = load_corpus_config(str(tmp_path / "new/byline.toml"))[0].sources
    assert source.options.column_names == ("caption", "url")
    records = list(read_source(source.reader, source.path, source.name, source.options))
    assert [record.title for record in records] == [f"a town {number}" for number in range(3)]


def test_names_of_columns_are_for_tables_of_text(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"url": "http://x.example/1", "title": "a"}\n')
    done = _byline("init", "t.jsonl", "--column-names", "caption,url", cwd=tmp_path)
    assert done.returncode == 2
    assert "column_names is for the reader csv, and this is jsonl" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("none", None, "no file or folder at none; name a folder or file of pictures, CSV"),
        ("empty", {}, "empty holds no pictures and no tables"),
        (
            "t.csv",
            b"a,b\n1,2\n",
            "and none that names files; its columns are a, b; say which it is: add --column url=...\n",
        ),
        (
            "t.csv",
            b"file_name,Title,Creator,License\na.jpg,A,Ada,CC0\n",
            "t.csv has no column of URLs; 'file_name' names files, and such a table is read with them: call the table "
            "metadata.csv in the folder of the files, and name that folder: byline init FOLDER (in a config reader = "
            '"folder")\n',
        ),
        (
            "t.tsv",
            b"image\ttext\na.jpg\tA\n",
            "if 'image' names files, call the table metadata.tsv in the folder of the files, and name that folder: "
            "byline init FOLDER; say which it is: add --column url=image\n",
        ),
        ("my t.csv", b"link,b\n1,2\n", "link, b; say which it is: add --column url=link\n"),
        ("t.jsonl", b'{"its url": 1}\n', "say which it is: add --column 'url=its url'\n"),
        (
            "t.csv",
            b"url,author,artist\nhttp://x/1,A,B\n",
            "the creator; say which it is: add --column creator=artist\n",
        ),
        (
            "t.csv",
            b"a town\thttp://x/1\n",
            "first line holds a URL; say what its columns are called: add --column-names ...,url\n",
        ),
        (
            "t.csv",
            b"id,url\n" + b"".join(b"7,http://x/%d\n" % n for n in range(20)),
            "column 'id' is no id: of 20 rows, with 20 pictures, it has about 1, and rows of one id are one record",
        ),
        ("t.csv", b"url,title\n,a\n", "none of its first rows becomes a record; the first: line 2: no url"),
        ("t.html", b"<html>", "t.html is no table that is read"),
        ("t.parquet", b"PAR1 and no more", "t.parquet is not a whole Parquet file"),
        ("t.json", b'{"a": 1}', "t.json holds no answers of Commons or Openverse"),
        ("a.jpg", encoded(a_picture(1)), "a.jpg is one picture; name the folder that it lies in"),
        (
            "mixed",
            {"a.csv": b"url\n", "a.jsonl": b"{}\n"},
            "mixed holds .csv or .tsv and .json or .jsonl files; name one",
        ),
    ],
)
def test_what_cannot_be_begun_is_one_line_and_nothing_is_written(name, content, told, tmp_path):
    files = (
        {name: content}
        if isinstance(content, bytes)
        else {f"{name}/{one}": data for one, data in (content or {}).items()}
    )
    if content is not None and not isinstance(content, bytes):
        (tmp_path / name).mkdir()
    for path, data in files.items():
        (tmp_path / path).write_bytes(data)
    done = _byline("init", name, "--into", "new", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, "")
    assert told in done.stderr
    assert not (tmp_path / "new").exists()


def test_a_column_that_no_name_tells_is_said_and_goes_into_the_config(tmp_path):
    (tmp_path / "list.csv").write_text("where,artist,author\nhttp://x.example/1,Ada,Eve\n")
    told = ["init", "list.csv"]
    for field, name in (("creator", "artist"), ("url", "where")):
        done = _byline(*told, cwd=tmp_path)
        assert done.returncode == 2
        assert f"add --column {field}=" in done.stderr
        told += ["--column", f"{field}={name}"]
    done = _byline(*told, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "url          <- where" in done.stdout
    config = tomllib.loads((tmp_path / "byline.toml").read_text())
    assert config["sources"][0]["columns"] == {"url": "where", "creator": "artist"}
    assert load_config(tmp_path / "byline.toml", CorpusConfig).sources[0].options.columns["url"] == "where"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "column", "told"),
    [
        ("t.csv", "url", "--column takes FIELD=NAME, got 'url'"),
        ("t.csv", "url=", "--column takes FIELD=NAME, got 'url='"),
        ("t.csv", "link=url", "--column: columns: no field 'link'; the fields are id, url, "),
        ("t.csv", "title=b", "t.csv has no column 'b', which should be the title; its columns are url, a"),
        ("t.txt", "url=a", "t.txt is read by yfcc, whose fields are known; leave --column out"),
    ],
)
def test_a_column_that_cannot_be_said_is_one_line(source, column, told, tmp_path):
    (tmp_path / "t.csv").write_text("url,a\nhttp://x.example/1,A\n")
    (tmp_path / "t.txt").write_text(a_yfcc_line("1", "http://x.example/1") + "\n")
    done = _byline("init", source, "--column", column, cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, "")
    assert told in done.stderr
    assert not (tmp_path / "byline.toml").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content", "reader"),
    [
        ("t.tsv", b"url\ttitle\nhttp://x.example/1\tA\n", "csv"),
        ("t.csv", b"id;url;title, english\n1;http://x/1;T\n", "csv"),
        ("t.jsonl", b'{"url": "http://x.example/1"}\n', "jsonl"),
        ("t.txt", a_yfcc_line("1", "http://x.example/1").encode() + b"\n", "yfcc"),
        ("t.json", (SAMPLES / "sources/commons.json").read_bytes(), "commons"),
        ("t.json", (SAMPLES / "sources/openverse.json").read_bytes(), "openverse"),
    ],
)
def test_the_reader_is_told_by_content(name, content, reader, tmp_path):
    (tmp_path / name).write_bytes(content)
    done = _byline("init", name, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert tomllib.loads((tmp_path / "byline.toml").read_text())["sources"][0]["reader"] == reader
    assert "fill in      [fetch] contact" in done.stdout
