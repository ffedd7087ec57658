"""YFCC100M: one line a picture, tab-separated, text URL-encoded; plain, gzip or bzip2. Videos are left out.

There are two forms. One has the 23 columns of `COLUMNS`; the other begins with the number of the line and has a hash of
the picture after its id, 25 in all. A file has one form throughout, that of most of its first lines.

Coordinates and account secrets are not read unless asked for: a training corpus has no use for them.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from urllib.parse import unquote_plus

from byline.catalog.corpora.records import Evidence, ImageRecord, LeftOut, Row, UnreadableRow
from byline.catalog.digests import sha256_hex
from byline.catalog.errors import SourceError
from byline.catalog.text import one_line
from byline.pipelines.sources.readers.files import MAX_LINE_BYTES, lines_of, metadata_of
from byline.pipelines.sources.readers.options import AS_IT_IS, ReadOptions
from byline.pipelines.sources.readers.rows import in_file, read_row

COLUMNS = (
    "photoid uid unickname datetaken dateuploaded capturedevice title description usertags machinetags longitude "
    "latitude accuracy pageurl downloadurl licensename licenseurl serverid farmid secret secretoriginal ext marker"
).split()
NUMBERED_COLUMNS = ["rowid", "photoid", "hash", *COLUMNS[1:]]
FORMS = {len(form): form for form in (COLUMNS, NUMBERED_COLUMNS)}
ENCODED = frozenset("unickname capturedevice title description usertags machinetags".split())
"""Columns whose text is URL-encoded."""
PHOTO, VIDEO = "0", "1"
LINES_TO_TELL = 100
"""Lines from which the form of a file is recognized."""


def read_yfcc(path: str, source: str, options: ReadOptions = AS_IT_IS) -> Iterator[Row]:
    """Yield a record for every photo, in the file's order; a line of another width is an unreadable row.

    Raises `SourceError` when none of the first hundred lines has the form.
    """
    if options.columns:
        raise SourceError(f"source {source}: the columns of YFCC100M are known; remove `columns` from the config")
    for file in metadata_of(path):
        yield from in_file(_read_file(file, source, options), file, of=path)


def _read_file(path: str, source: str, options: ReadOptions) -> Iterator[Row]:
    lines = lines_of(path)
    first = list(islice(lines, LINES_TO_TELL))
    if not first:
        return
    columns = _form_of(first, path)
    if unknown := [name for name in options.save_additional_columns if name not in columns]:
        raise SourceError(f"{path} has no column {unknown[0]!r} to save; its columns are {', '.join(columns)}")
    for number, line in enumerate(chain(first, lines), start=1):
        place = f"line {number}"
        yield _read_line(line.rstrip(b"\r\n"), columns, path, source, place, options.save_additional_columns)


def _form_of(lines: Sequence[bytes], path: str) -> list[str]:
    widths = Counter(line.count(b"\t") + 1 for line in lines)
    known = {width: widths[width] for width in FORMS if width in widths}
    if not known:
        seen = ", ".join(str(width) for width, _ in widths.most_common(3))
        raise SourceError(
            f"{path} is not YFCC100M metadata: lines of 23 or 25 tab-separated columns are expected, and "
            f"{'its line has' if len(lines) == 1 else f'the first {len(lines)} have'} {seen}; check `path` and `reader`"
        )
    return FORMS[max(known, key=lambda width: known[width])]


def _read_line(line: bytes, columns: list[str], path: str, source: str, place: str, extras: tuple[str, ...]) -> Row:
    if len(line) >= MAX_LINE_BYTES:
        return UnreadableRow(place=place, problem=f"longer than {MAX_LINE_BYTES} bytes")
    fields = line.decode("utf-8", errors="replace").split("\t")
    if len(fields) != len(columns):
        return UnreadableRow(place=place, problem=f"{len(fields)} columns; expected {len(columns)}")
    row = dict(zip(columns, fields, strict=True))
    if row["marker"] == VIDEO:
        return LeftOut(kind="video")
    if row["marker"] != PHOTO:
        return UnreadableRow(place=place, problem=f"marker is {row['marker']!r:.60}; expected 0 or 1")
    if not row["photoid"] or not row["downloadurl"]:
        return UnreadableRow(place=place, problem="no photoid or no downloadurl")
    if "\ufffd" in row["photoid"] + row["downloadurl"]:  # it would be another picture's
        return UnreadableRow(place=place, problem="photoid or downloadurl is not UTF-8")
    evidence = Evidence(file=path, place=place, sha256=sha256_hex(line))
    return read_row(lambda: _record(row, source, evidence, extras), place=place)


def _record(row: dict[str, str], source: str, evidence: Evidence, extras: tuple[str, ...]) -> ImageRecord:
    return ImageRecord(
        source=source,
        id=row["photoid"],
        url=row["downloadurl"],
        landing_url=row["pageurl"] or None,
        license_claims=tuple((f, row[f]) for f in ("licensename", "licenseurl") if row[f]),
        title=_text(row, "title") or None,
        creator=_text(row, "unickname") or None,
        description=_text(row, "description") or None,
        tags=_tags(row["usertags"]),
        extras=tuple((name, _text(row, name)) for name in extras if row[name]),
        evidence=evidence,
    )


def _text(row: dict[str, str], name: str) -> str:
    return one_line(unquote_plus(row[name]) if name in ENCODED else row[name])


def _tags(text: str) -> tuple[str, ...]:
    tags = text.replace("+", " ").split(",")
    return tuple(unquote_plus(tag) if "%" in tag else tag for tag in tags if tag)
