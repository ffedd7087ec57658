"""An export, read by the readers of others: every sample, in its split, with its license."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from byline.catalog.corpora.manifest import SPLITS
from byline.catalog.disk.storage import Store
from byline.pipelines.beam.build import build
from byline.pipelines.releases.exporting.export import export
from tests.builders import a_picture, a_yfcc_line, encoded, write_corpus
from tests.pipelines.releases.exporting.readers import READERS, ROWS_READERS, library

pytestmark = pytest.mark.beam
NUM = 60
SAID_LATE = 58
"""Records before this one state no page: readers that take types from the first samples must not be misled."""

DOCS = Path(__file__).parents[4] / "docs/export.md"
SNIPPETS = re.findall(r"^```python\n(.*?)^```", DOCS.read_text(), re.MULTILINE | re.DOTALL)
NUM_SNIPPETS = 8


def test_every_reader_has_its_snippet():
    assert len(SNIPPETS) == NUM_SNIPPETS


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Return a folder with the exports of a release with both splits: `export` has tars, `parquet` has rows."""
    folder = tmp_path_factory.mktemp("readers")
    lines = []
    (folder / "pictures").mkdir()
    for number in range(NUM):
        (folder / f"pictures/{number}.jpg").write_bytes(encoded(a_picture(number)))
        page = f"https://pictures.example/of/{number}" if number >= SAID_LATE else ""
        lines.append(a_yfcc_line(str(number), f"https://pictures.example/{number}.jpg", pageurl=page))
    release = build(str(write_corpus(folder, lines, num_packs=2)), workers=1)
    export(release, str(folder / "export"))
    export(release, str(folder / "parquet"), format="parquet")
    return folder


def _ran(caches, *arguments):
    """Run Python with caches in a folder of the test's own, and return what it said."""
    own = {"HOME": str(caches), "HF_HOME": str(caches), "HF_HUB_OFFLINE": "1", "XDG_CACHE_HOME": str(caches)}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, env=os.environ | own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reader", "folder"), [*((name, "export") for name in READERS), *((name, "parquet") for name in ROWS_READERS)]
)
def test_a_reader_reads_all_of_it(reader, folder, exported, tmp_path):
    pytest.importorskip(library(reader))
    said = _ran(tmp_path, str(Path(__file__).with_name("readers.py")), str(exported / folder), reader)
    credits = Store(str(exported / folder)).read_table("credits.parquet").to_pylist()
    expected = {split: {row["sha256"]: row["license"] for row in credits if row["split"] == split} for split in SPLITS}
    assert min(map(len, expected.values())) > 0
    assert json.loads(said.splitlines()[-1]) == expected


@pytest.mark.slow
@pytest.mark.parametrize("number", range(NUM_SNIPPETS))
def test_what_the_docs_tell_readers_to_write_runs(number, exported, tmp_path):
    snippet = SNIPPETS[number]
    pytest.importorskip(re.findall(r"^(?:import|from) (\w+)", snippet, re.MULTILINE)[0])
    _ran(tmp_path, "-c", snippet.replace("demo/", f"{exported}/"))
