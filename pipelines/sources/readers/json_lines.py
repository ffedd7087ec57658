"""Tables with a JSON object a line: plain, gzip or bzip2."""

import json
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any

from byline.catalog.corpora.records import Evidence, ImageRecord, Row, UnreadableRow
from byline.catalog.digests import sha256_hex
from byline.catalog.errors import SourceError
from byline.pipelines.sources.readers.files import MAX_LINE_BYTES, lines_of
from byline.pipelines.sources.readers.ids import IdCheck
from byline.pipelines.sources.readers.nested import with_nested
from byline.pipelines.sources.readers.options import AS_IT_IS, ReadOptions
from byline.pipelines.sources.readers.partitions import partition_of, with_partition
from byline.pipelines.sources.readers.rows import in_file, read_row
from byline.pipelines.sources.readers.tables import Columns, columns_of, record_of, tables_at

SUFFIXES = tuple(f"{name}{packed}" for name in (".jsonl", ".ndjson") for packed in ("", ".gz", ".bz2"))
MAX_NAMES = 10_000
ROWS_LOOKED_AT = 1000
"""Rows whose keys are taken for names: a key that comes first in a later row is not read."""


def read_jsonl(path: str, source: str, options: ReadOptions = AS_IT_IS) -> Iterator[Row]:
    """Yield a record for every line, in the file's order; empty lines are no rows. A line may lack any key."""
    check = IdCheck(path)
    for file in tables_at(path, SUFFIXES):
        yield from in_file(_read_file(file, source, options, check), file, of=path)
    check.end()


def names_in(path: str) -> list[str]:
    """Return the keys of the first rows, those of objects in them with dots, and what folders say.

    Raises `SourceError` when these are no JSON objects.
    """
    names: dict[str, None] = {}
    first = None
    for line in islice(filter(bytes.strip, lines_of(path)), ROWS_LOOKED_AT):
        try:
            names.update(dict.fromkeys(_row(line)))
        except ValueError as error:
            first = first or error
        if len(names) > MAX_NAMES:
            raise SourceError(f"{path} has more than {MAX_NAMES:,} different keys, which is no table; check `path`")
    if not names:
        why = first or "it has no rows"
        raise SourceError(f"{path} is no table with a JSON object a line: {why}; check `path` and `reader`")
    return list({**names, **partition_of(path)})


def _read_file(path: str, source: str, options: ReadOptions, check: IdCheck) -> Iterator[Row]:
    columns, partition = columns_of(names_in(path), options, path), partition_of(path)
    for number, line in enumerate(lines_of(path), start=1):
        if not line.strip():
            continue
        place = f"line {number}"
        try:
            row = with_partition(_row(line), partition)
        except ValueError as error:
            yield UnreadableRow(place=place, problem=str(error)[:200])
            continue
        check.add(row, columns)
        yield read_row(partial(_record, row, line, columns, path, source, place), place=place)


def _record(row: dict[str, Any], line: bytes, columns: Columns, path: str, source: str, place: str) -> ImageRecord:
    stated_time = row.get(columns.fields["retrieved_at"]) if "retrieved_at" in columns.fields else None
    retrieved_at = str(stated_time) if stated_time else None
    evidence = Evidence(file=path, place=place, sha256=sha256_hex(line.rstrip(b"\r\n")), retrieved_at=retrieved_at)
    return record_of(row, columns, source, evidence)


def _row(line: bytes) -> dict[str, Any]:
    if len(line) >= MAX_LINE_BYTES:
        raise ValueError(f"longer than {MAX_LINE_BYTES} bytes")
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        why = "nested too deep" if isinstance(error, RecursionError) else str(error).splitlines()[0]
        raise ValueError(f"no JSON: {why:.120}") from error
    if not isinstance(row, dict):
        raise ValueError("no JSON object")
    return with_nested(row)
