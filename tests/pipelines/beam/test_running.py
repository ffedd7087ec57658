"""What the command says when a stage fails, in this process and in a worker."""

import shutil
import subprocess
import sys

import pytest

from byline.pipelines.beam.build import build
from tests.builders import a_corpus
from tests.pipelines.beam.test_workers import STAGES

pytestmark = [pytest.mark.beam, pytest.mark.slow]
both = pytest.mark.parametrize("workers", [1, 2])


def build_told(config, workers):
    """Run the command, and return its exit code and what it says on standard error but for the bars of its stages."""
    command = [sys.executable, "-m", "byline.cli.main", "build", str(config), "--workers", str(workers)]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, [line for line in done.stderr.splitlines() if not line.startswith(STAGES)]


@both
def test_a_source_that_is_gone_is_one_line(workers, tmp_path):
    config = a_corpus(tmp_path, num_pictures=1)
    (tmp_path / "metadata.tsv").unlink()
    line = f"byline: no source file at {tmp_path}/metadata.tsv; check `path` of source test"
    assert build_told(config, workers) == (2, [line])


@both
def test_a_damaged_pack_is_one_line(workers, tmp_path):
    config = a_corpus(tmp_path, num_pictures=4, num_packs=1)
    root = build(str(config), workers=1).store.local_path("")
    (pack,) = root.glob("packs/*.parquet")
    pack.write_bytes(bytes(500))
    for fact in root.glob("facts/hashes/*/*.parquet"):
        fact.unlink()
    code, (line,) = build_told(config, workers)
    assert (code, line[: line.index(" (")]) == (2, f"byline: {pack} is not a whole Parquet file")


@both
def test_what_nobody_foresaw_shows_where_it_happened_once(workers, tmp_path):
    config = a_corpus(tmp_path, num_pictures=1, num_packs=1)
    (tmp_path / "corpus/fetching").mkdir(parents=True)
    (tmp_path / "corpus/fetching/test-00000").write_bytes(b"a file where a folder belongs")
    code, told = build_told(config, workers)
    assert code == 1
    assert any(line.endswith("in fetch_pack") for line in told)
    assert sum(line.startswith("RuntimeError: FileExistsError: ") for line in told) == 1


@pytest.mark.parametrize("damage", [lambda whole: bytes(500), lambda whole: whole[:4] + bytes(200) + whole[204:]])
@pytest.mark.parametrize("lost", [(), ("verdicts", "judgements", "rows")])
def test_a_damaged_file_of_records_is_one_line(damage, lost, tmp_path):
    config = a_corpus(tmp_path, num_pictures=4, num_packs=1)
    root = build(str(config), workers=1).store.local_path("")
    (records,) = (path for path in root.glob("records/*/*.parquet") if path.name.count(".") == 1)
    records.write_bytes(damage(records.read_bytes()))
    for folder in lost:
        shutil.rmtree(root / folder, ignore_errors=True)
    code, (line,) = build_told(config, 1)
    assert code == 2
    assert line.startswith((f"byline: {records} is not a whole Parquet file (", f"byline: {records} is damaged ("))
