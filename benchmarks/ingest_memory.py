"""Memory and rate of ingest while the source grows. python -m benchmarks.ingest_memory [ROWS...]"""

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.rights_at_scale import _peak_mb
from benchmarks.side_by_side import write_section
from byline.catalog.disk.storage import Store
from byline.pipelines.beam.stages.ingest import ingest
from byline.pipelines.sources.config import SourceConfig
from byline.pipelines.sources.ingested import records_path

SIZES = (100_000, 1_000_000)
PACK_RECORDS = 10_000
PART_ROWS = 500_000
WORDS = "blue boat harbor light morning field stone river tower old bridge market winter garden cat dog".split()
BY_2 = "http://creativecommons.org/licenses/by/2.0/"


def _words(chance: random.Random, number: int, between: str) -> str:
    return between.join(chance.choices(WORDS, k=number))


def write_yfcc(folder: Path, num_rows: int) -> None:
    """Write YFCC100M metadata: ids in no order, one in a hundred a video, one in a thousand an id again."""
    chance = random.Random(0)
    with (folder / "yfcc.tsv").open("w") as file:
        for number in range(num_rows):
            photoid = number if chance.random() > 0.001 else chance.randrange(number + 1)
            name, page = f"{photoid * 7919 % 10**10:010d}", f"https://www.flickr.example/photos/{number % 99_999}"
            row = [name, f"{number % 99_999}@N00", f"user+{number % 99_999}", "2012-02-16 09:56:37.0", "1331840483"]
            row += ["Canon+A", _words(chance, 5, "+"), _words(chance, 20, "+"), _words(chance, 6, ","), ""]
            row += ["-81.80", "24.55", "16", f"{page}/{name}/", f"https://farm8.flickr.example/7205/{name}_5b0a.jpg"]
            row += ["Attribution License", BY_2, "7205", "8", "5b0a", "91ce", "jpg", str(int(number % 100 == 99))]
            file.write("\t".join(row) + "\n")


def write_datacomp(folder: Path, num_rows: int) -> None:
    """Write DataComp's columns in Parquet, in parts."""
    chance = random.Random(0)
    for start in range(0, num_rows, PART_ROWS):
        numbers = range(start, min(num_rows, start + PART_ROWS))
        columns = {
            "uid": [f"{number * 7919 % 2**64:032x}" for number in numbers],
            "url": [f"https://img.example/{number % 99_999}/{number}.jpg" for number in numbers],
            "text": [_words(chance, 9, " ") for _ in numbers],
            "original_width": [640] * len(numbers),
            "original_height": [480] * len(numbers),
            "clip_b32_similarity_score": [chance.random() for _ in numbers],
        }
        pq.write_table(pa.table(columns), folder / f"part-{start // PART_ROWS:05d}.parquet")


WRITERS = {"yfcc": (write_yfcc, "yfcc.tsv"), "parquet": (write_datacomp, "")}


def _ingest(reader: str, num_rows: int, folder: Path) -> str:
    """Ingest in this process, and return the cells of a row: it is a process of its own, for its memory."""
    path, store = folder / WRITERS[reader][1], Store(str(folder.parent / "corpus"))
    num_packs = -(-num_rows // PACK_RECORDS)
    source = SourceConfig(name="web", reader=reader, path=str(path), num_packs=num_packs)
    before_mb, start = _peak_mb(), time.perf_counter()
    num_records = sum(part.num_records for part in ingest(source, store))
    rate = num_rows / (time.perf_counter() - start)
    size_mb = store.size_bytes(records_path(source)) / 1e6
    memory = f"{before_mb:,.0f} MB | {_peak_mb():,.0f} MB"
    return f"{num_rows:,} | {num_records:,} | {rate:,.0f} rows/s | {memory} | {size_mb:,.0f} MB"


def _row(reader: str, num_rows: int) -> str:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "source").mkdir()
        WRITERS[reader][0](folder / "source", num_rows)
        command = [
            sys.executable,
            "-m",
            "benchmarks.ingest_memory",
            "ingest",
            reader,
            str(num_rows),
            f"{folder}/source",
        ]
        completed = subprocess.run(command, check=True, capture_output=True, text=True)
    return f"| {reader} | {completed.stdout.strip()} |"


if __name__ == "__main__":
    if sys.argv[1:2] == ["ingest"]:
        print(_ingest(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])))
        sys.exit()
    names = ["reader", "rows", "records", "read and written", "memory before", "peak memory", "records file"]
    lines = [f"| {' | '.join(names)} |", "|---|" + "---:|" * (len(names) - 1)]
    sizes = [int(argument) for argument in sys.argv[1:]] or SIZES
    lines += [_row(reader, size) for reader in WRITERS for size in sizes]
    write_section(
        "Ingest memory",
        f"python -m benchmarks.ingest_memory {' '.join(sys.argv[1:])}".strip(),
        "Metadata made in the forms of YFCC100M (1 % videos, 0.1 % ids again) and DataComp (a folder of parts), read "
        "into records with packs of 10,000, in one process. Peak memory is what the process ever had (`VmHWM`), "
        "imports included; the digest of the source file is part of the time.\n\n" + "\n".join(lines),
    )
