"""An export, read by the readers of others: every sample, in its split, with its license."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from byline.catalog.manifest import SPLITS
from byline.catalog.storage import Store
from byline.pipelines.exporting.export import export
from byline.pipelines.run import build
from tests.builders import a_picture, a_yfcc_line, encoded, write_corpus
from tests.pipelines.exporting.readers import READERS, library

pytestmark = pytest.mark.beam
NUM = 60
SAID_LATE = 58
"""Records before this one state no page: readers that take types from the first samples must not be misled."""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Return the export of a release with both splits."""
    folder = tmp_path_factory.mktemp("readers")
    lines = []
    (folder / "pictures").mkdir()
    for number in range(NUM):
        (folder / f"pictures/{number}.jpg").write_bytes(encoded(a_picture(number)))
        page = f"https://pictures.example/of/{number}" if number >= SAID_LATE else ""
        lines.append(a_yfcc_line(str(number), f"https://pictures.example/{number}.jpg", pageurl=page))
    release = build(str(write_corpus(folder, lines, num_packs=2)), workers=1)
    export(release, str(folder / "export"))
    return folder / "export"


@pytest.mark.parametrize("reader", READERS)
def test_a_reader_reads_all_of_it(reader, exported, tmp_path):
    pytest.importorskip(library(reader))
    script = Path(__file__).with_name("readers.py")
    caches = {"HOME": str(tmp_path), "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(script), str(exported), reader],
        env=os.environ | caches,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    credits = Store(str(exported)).read_table("credits.parquet").to_pylist()
    expected = {split: {row["sha256"]: row["license"] for row in credits if row["split"] == split} for split in SPLITS}
    assert min(map(len, expected.values())) > 0
    assert json.loads(done.stdout.splitlines()[-1]) == expected
