"""What lies at a path: which reader reads it, and about how many rows it has. Told by content, then by names."""

import bz2
import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from byline.catalog.errors import SourceError
from byline.pictures.pixels.kinds import kind_of
from byline.pictures.pixels.surveys import UnusableError
from byline.pipelines.sources.readers import csv, json_lines, saved_json, yfcc
from byline.pipelines.sources.readers.files import lines_of, opened
from byline.pipelines.sources.readers.img2dataset_output import NEEDED, shards_in
from byline.pipelines.sources.readers.options import AS_IT_IS
from byline.pipelines.sources.readers.parquet import layout_in, names_in
from byline.pipelines.sources.readers.taken import files_below

PICTURES = frozenset(".jpg .jpeg .jpe .png .webp .gif .tif .tiff .bmp".split())
JSON = (*saved_json.SUFFIXES, *json_lines.SUFFIXES)
LINES_LOOKED_AT = 1000
BYTES_LOOKED_AT = 1 << 24
HEAD_BYTES = 4096
READ = (
    "pictures, CSV, TSV, Parquet, JSON lines, YFCC100M, img2dataset's output, or saved answers of Commons or Openverse"
)


@dataclass(frozen=True, kw_only=True)
class FoundSource:
    """What lies at a path."""

    path: str
    reader: str
    words: str
    """What it is, in words."""
    num_rows: int
    """Number of pictures or rows, approximately."""
    is_here: bool = False
    """Whether its pictures lie on this machine, all of them, so that no host is asked."""

    @property
    def counted(self) -> str:
        """Their number in words."""
        noun = "picture" if self.reader == "folder" else "row"
        return f"{self.num_rows:,} {noun}{'' if self.num_rows == 1 else 's'}"


def find(path: str) -> FoundSource:
    """Return what lies at a path. Raises `SourceError` for what no reader reads."""
    file_or_folder = Path(path)
    if not file_or_folder.exists():
        why = (
            "nothing is fetched for a source, download it first"
            if "://" in path
            else f"name a folder or file of {READ}"
        )
        raise SourceError(f"no file or folder at {path}; {why}")
    if not file_or_folder.is_dir():
        return _file(path)
    if (shards := shards_in(path)) and set(NEEDED) <= set(names_in(f"{path}/{shards[0]}.parquet")):
        rows = sum(_parquet_rows(f"{path}/{shard}.parquet") for shard in shards)
        return FoundSource(
            path=path, reader="img2dataset", words=f"img2dataset's output, {len(shards):,} shards", num_rows=rows
        )
    return _folder(path)


def _folder(path: str) -> FoundSource:
    files = [str(file) for file in files_below(Path(path))]
    if num_pictures := sum(Path(file).suffix.lower() in PICTURES for file in files):
        return FoundSource(
            path=path, reader="folder", words="a folder of pictures", num_rows=num_pictures, is_here=True
        )
    kinds = {
        ".parquet": [file for file in files if file.lower().endswith(".parquet")],
        ".csv or .tsv": [file for file in files if file.lower().endswith(csv.SUFFIXES)],
        ".json or .jsonl": [file for file in files if file.lower().endswith(JSON)],
    }
    there = [kind for kind, members in kinds.items() if members]
    if not there:
        raise SourceError(f"{path} holds no pictures and no tables; name a folder or file of {READ}")
    if len(there) > 1:
        raise SourceError(f"{path} holds {' and '.join(there)} files; name one of them")
    tables = [_file(file) for file in kinds[there[0]]]
    readers = sorted({table.reader for table in tables})
    if len(readers) > 1:
        raise SourceError(f"{path} holds files for the readers {' and '.join(readers)}; name one of them")
    words = tables[0].words if len(tables) == 1 else f"{len(tables):,} files, each {tables[0].words}"
    return FoundSource(
        path=path,
        reader=readers[0],
        words=words,
        num_rows=sum(table.num_rows for table in tables),
        is_here=all(table.is_here for table in tables),
    )


def _file(path: str) -> FoundSource:
    name = path.lower()
    with opened(path) as file:
        head = file.read(HEAD_BYTES)
    if head.startswith(b"PAR1"):
        num_rows, has_pictures = _parquet_rows(path), _has_pictures(path)
        words = f"a table in Parquet{' that has the pictures in it' if has_pictures else ''}"
        return FoundSource(path=path, reader="parquet", words=words, num_rows=num_rows, is_here=has_pictures)
    if _is_picture(head):
        raise SourceError(f"{path} is one picture; name the folder that it lies in")
    if name.endswith(JSON):
        return _json(path)
    lines = _first_lines(path)
    if _is_yfcc(lines):
        return FoundSource(path=path, reader="yfcc", words="metadata of YFCC100M", num_rows=_about(path, lines))
    if name.endswith(csv.SUFFIXES):
        return FoundSource(path=path, reader="csv", words="a table of text", num_rows=max(1, _about(path, lines) - 1))
    raise SourceError(f"{path} is no table that is read; name a folder or file of {READ}")


def _is_picture(head: bytes) -> bool:
    try:
        kind_of(head)
    except UnusableError:
        return False
    return True


def _is_yfcc(lines: Sequence[bytes]) -> bool:
    """Tell whether most lines have one of the two widths, and none is a header: they begin with a number."""
    fits = [line for line in lines if line.count(b"\t") + 1 in yfcc.FORMS and line.split(b"\t")[0].strip().isdigit()]
    return len(fits) * 2 > len(lines)


def _json(path: str) -> FoundSource:
    """Return what a file of JSON has: answers of an API, told by the first, or rows."""
    answers = saved_json.read_answers(path)
    first = next((saved.answer for saved in answers if isinstance(saved, saved_json.SavedAnswer)), {})
    for reader, num_rows in _APIS.items():
        if rows := num_rows(first):
            num_answers = 1 + sum(1 for _ in answers)
            words = f"saved answers of {reader.capitalize()}"
            return FoundSource(path=path, reader=reader, words=words, num_rows=rows * num_answers)
    if not path.lower().endswith(json_lines.SUFFIXES):
        raise SourceError(
            f"{path} holds no answers of Commons or Openverse; if it holds rows, save them as .jsonl, an object a line"
        )
    lines = _first_lines(path)
    return FoundSource(path=path, reader="jsonl", words="a table in JSON lines", num_rows=_about(path, lines))


def _first_lines(path: str) -> list[bytes]:
    """Return the first lines of a file, few of them where they are long: a packed file may have gigabytes."""
    first: list[bytes] = []
    left = BYTES_LOOKED_AT
    for line in islice(lines_of(path), LINES_LOOKED_AT):
        first.append(line)
        left -= len(line)
        if left <= 0:
            break
    return first


def _num_pages(answer: dict[str, object]) -> int:
    pages = answer.get("query")
    return len(pages.get("pages", ())) if isinstance(pages, dict) else 0


def _num_results(answer: dict[str, object]) -> int:
    results = answer.get("results")
    return len(results) if isinstance(results, list) else 0


_APIS: dict[str, Callable[[dict[str, object]], int]] = {"commons": _num_pages, "openverse": _num_results}
"""Reader -> function that counts the pictures of an answer, 0 of what is none."""


def _parquet_rows(path: str) -> int:
    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path} is not a whole Parquet file ({str(error).splitlines()[0]:.120})") from error


def _has_pictures(path: str) -> bool:
    """Tell whether a table has its pictures in it, and no URLs; not where it is not known yet what its columns are."""
    try:
        layout = layout_in(path, AS_IT_IS)
    except SourceError:
        return False
    return layout.pictures is not None and "url" not in layout.columns.fields


def _about(path: str, lines: Sequence[bytes]) -> int:
    """Return about how many lines a file has, by the length of its first ones: it may be large."""
    if len(lines) < LINES_LOOKED_AT and sum(map(len, lines)) < BYTES_LOOKED_AT:
        return len(lines)
    first = b"".join(lines)
    with open(path, "rb") as file:
        magic = file.read(3)
    packed = len(
        gzip.compress(first) if magic[:2] == b"\x1f\x8b" else bz2.compress(first) if magic == b"BZh" else first
    )
    return max(len(lines), round(Path(path).stat().st_size / packed * len(lines)))
