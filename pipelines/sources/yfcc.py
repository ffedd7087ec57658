"""YFCC100M: one line a picture, tab-separated, text URL-encoded. Videos are left out.

Coordinates and account secrets are not read: a training corpus has no use for them.
"""

from collections.abc import Iterator
from urllib.parse import unquote_plus

from catalog.digests import sha256_hex
from catalog.errors import SourceError
from catalog.records import Evidence, ImageRecord, UnreadableRow
from catalog.text import one_line
from pipelines.sources.options import AS_IT_IS, ReadOptions

COLUMNS = (
    "photoid uid unickname datetaken dateuploaded capturedevice title description usertags machinetags longitude "
    "latitude accuracy pageurl downloadurl licensename licenseurl serverid farmid secret secretoriginal ext marker"
).split()
VIDEO = "1"


def read_yfcc(path: str, source: str, options: ReadOptions = AS_IT_IS) -> Iterator[ImageRecord | UnreadableRow]:
    """Yield a record for every photo, in the file's order; a line of another width is an unreadable row."""
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                record = _read_line(line.rstrip(b"\r\n"), path, source, place=f"line {number}")
                if record is not None:
                    yield record
    except FileNotFoundError as error:
        raise SourceError(f"no source file at {path}; check `path` in the corpus config") from error


def _read_line(line: bytes, path: str, source: str, *, place: str) -> ImageRecord | UnreadableRow | None:
    fields = line.decode("utf-8", errors="replace").split("\t")
    if len(fields) != len(COLUMNS):
        return UnreadableRow(place=place, problem=f"{len(fields)} columns; expected {len(COLUMNS)}")
    row = dict(zip(COLUMNS, fields, strict=True))
    if row["marker"] == VIDEO:
        return None
    if not row["photoid"] or not row["downloadurl"]:
        return UnreadableRow(place=place, problem="no photoid or no downloadurl")
    text = {key: one_line(unquote_plus(row[key])) for key in ("unickname", "title", "description")}
    return ImageRecord(
        source=source,
        id=row["photoid"],
        url=row["downloadurl"],
        landing_url=row["pageurl"] or None,
        license_claims=tuple((f, row[f]) for f in ("licensename", "licenseurl") if row[f]),
        title=text["title"] or None,
        creator=text["unickname"] or None,
        description=text["description"] or None,
        tags=tuple(unquote_plus(tag) for tag in row["usertags"].split(",") if tag),
        evidence=Evidence(file=path, place=place, sha256=sha256_hex(line)),
    )
