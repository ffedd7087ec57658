"""What img2dataset wrote: `00000.parquet` and `00000.tar` (webdataset) or the folder `00000` (files). No download.

A row whose picture came is a record that holds it (`held`). A row whose download failed is an ordinary record: it is
asked for by its URL, under our rules and with an outcome of our own. An id is the SHA-256 of the URL, unless there is a
column of ids: img2dataset's key is a position, and another run over the same list gives it to another picture.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from byline.catalog.corpora.records import Evidence, ImageRecord, Row, UnreadableRow
from byline.catalog.errors import SourceError
from byline.pictures.members import Members, members_beside
from byline.pipelines.fetching.held import read_held
from byline.pipelines.sources.readers.ids import IdCheck
from byline.pipelines.sources.readers.inside import MAX_XMP_FILE_BYTES
from byline.pipelines.sources.readers.layers import with_picture
from byline.pipelines.sources.readers.options import AS_IT_IS, ReadOptions
from byline.pipelines.sources.readers.parquet import (
    BATCH_ROWS,
    BUFFER_BYTES,
    NotHad,
    row_digest,
    rows_of,
    without_times,
)
from byline.pipelines.sources.readers.parquet_bounds import bounded_batches
from byline.pipelines.sources.readers.rows import read_row
from byline.pipelines.sources.readers.tables import Columns, columns_of, record_of, told_of

NEEDED = ("key", "status")
OWN = ("error_message", "exif", "sha256", "md5", "width", "height")
"""What img2dataset says of what it did, and not of the picture's rights."""
SUCCESS = "success"
_SHARD = re.compile(r"\d+")


def read_img2dataset(path: str, source: str, options: ReadOptions = AS_IT_IS) -> Iterator[Row]:
    """Yield a record for every row, shard after shard. Of a shard that is damaged what is whole stays.

    Raises `SourceError` when the folder holds no shards, or shards without the columns that img2dataset writes.
    """
    folder = Path(path)
    if not folder.exists():
        raise SourceError(f"no source file at {path}; check `path`, which is the folder that img2dataset wrote")
    if not folder.is_dir():
        raise SourceError(f"{path} is a file; give the folder that img2dataset wrote as `path`")
    names = shards_in(path)
    if not names:
        raise SourceError(f"{path} holds no shard of img2dataset (00000.parquet, ...); check `path`")
    check = IdCheck(path)
    for name in names:
        yield from _read_shard(folder / f"{name}.parquet", source, options, check)
    check.end()
    for tar in sorted(folder.glob("*.tar")):
        if _SHARD.fullmatch(tar.stem) and tar.stem not in names:
            yield UnreadableRow(place=tar.name, problem=f"no {tar.stem}.parquet beside it: the shard was not finished")


def shards_in(path: str) -> list[str]:
    """Return the names of the shards in a folder: those of its Parquet files that are numbers."""
    return sorted(file.stem for file in Path(path).glob("*.parquet") if _SHARD.fullmatch(file.stem))


def _read_shard(parquet: Path, source: str, options: ReadOptions, check: IdCheck) -> Iterator[Row]:
    number = 0
    if not parquet.is_file():  # a pipe would be waited for
        yield UnreadableRow(place=parquet.name, problem="no regular file")
        return
    try:
        with pq.ParquetFile(parquet, buffer_size=BUFFER_BYTES, pre_buffer=False) as shard:
            columns = columns_in(shard.schema_arrow.names, options, str(parquet))
            members = members_beside(parquet, _keys(shard, str(parquet)))
            retrieved_at = _end_of(parquet.with_name(f"{parquet.stem}_stats.json"))
            for batch in bounded_batches(shard, str(parquet), BATCH_ROWS):
                for row in rows_of(without_times(batch, str(parquet))):
                    number += 1
                    if not isinstance(row, NotHad):
                        check.add(row, columns)
                    place = f"row {number}"
                    read = _read_row(row, columns, members, source, str(parquet), place, retrieved_at)
                    yield from with_picture(read, _picture_of(read), options, f"{parquet.name} {place}")
    except UnicodeDecodeError as error:
        raise SourceError(f"{parquet} has a column whose name is not UTF-8; give it another") from error
    except (pa.ArrowException, OSError) as error:
        problem = str(error).split("\n")[0][:160]
        where = f"damaged after row {number}" if number else "not a whole Parquet file"
        yield UnreadableRow(place=parquet.name, problem=f"{where} ({problem})")
        return
    if members.problem and members.held:
        yield UnreadableRow(place=parquet.name, problem=members.problem)
    if members.num_unknown:
        yield UnreadableRow(place=parquet.name, problem=f"no row speaks of {members.num_unknown} of its pictures")


def columns_in(names: list[str], options: ReadOptions, path: str) -> Columns:
    """Return what the columns are. A caption is a title, like LAION's alternative text, unless the config says else."""
    if missing := [name for name in NEEDED if name not in names]:
        lacking = f"{path} has no column {missing[0]!r}, which img2dataset writes"
        raise SourceError(f"{lacking}; {told_of(names)}; check `reader`")
    chosen = options.columns
    if "caption" in names and "title" not in chosen and "caption" not in chosen.values():
        options = options.model_copy(update={"columns": {**chosen, "title": "caption"}})
    return columns_of(names, options, path)


def _keys(shard: pq.ParquetFile, path: str) -> set[str]:
    batches = bounded_batches(shard, path, BATCH_ROWS, columns=["key"])
    return {str(key) for batch in batches for key in batch.column(0).unique().to_pylist() if key is not None}


def _read_row(
    row: dict[str, Any] | NotHad,
    columns: Columns,
    members: Members,
    source: str,
    path: str,
    place: str,
    retrieved_at: str | None,
) -> Row:
    if isinstance(row, NotHad):
        return UnreadableRow(place=place, problem=row.why)

    def read() -> ImageRecord:
        stated_time = str(row[columns.fields["retrieved_at"]] or "") if "retrieved_at" in columns.fields else ""
        evidence = Evidence(file=path, place=place, sha256=row_digest(row), retrieved_at=stated_time or retrieved_at)
        record = record_of(row, columns, source, evidence)
        if row["status"] != SUCCESS:
            return record
        key = str(row["key"])
        if problem := members.problem_of(key):
            raise ValueError(problem)
        return replace(record, held=members.held[key])

    return read_row(read, place=f"{Path(path).name} {place}")


def _picture_of(row: Row) -> bytes | None:
    """Return the picture that a record holds; none where it cannot be had, which its fetch will tell."""
    held = row.held if isinstance(row, ImageRecord) else None
    return read_held(held, max_bytes=MAX_XMP_FILE_BYTES).body if held is not None else None


def _end_of(stats: Path) -> str | None:
    """Return when a shard was finished, as its statistics say; none when they do not."""
    try:
        end = json.loads(stats.read_text())["end_time"]
        return datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
