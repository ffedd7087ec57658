"""What a source says about one picture, kept as it was said, with the evidence."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa

from catalog.digests import canonical_json, digest_of, sha256_hex


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Where a record was read, so that it can be shown again."""

    file: str
    """The metadata file or the request."""
    place: str
    """Where in the file: a line, a page id."""
    sha256: str
    """Of the row as the source gave it."""
    retrieved_at: str | None = None
    """ISO 8601, as the source's answer states it; none when it does not."""


@dataclass(frozen=True, kw_only=True)
class ImageRecord:
    """One source's claim about one picture. Nothing is interpreted: licenses are read when they are judged."""

    source: str
    id: str
    """The source's own id, unique within the source."""
    url: str
    landing_url: str | None = None
    license_claims: tuple[tuple[str, str], ...] = ()
    """(field, text) for every field in which the source speaks of the license."""
    title: str | None = None
    creator: str | None = None
    creator_url: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    width: int | None = None
    height: int | None = None
    extras: tuple[tuple[str, str], ...] = ()
    """(column, text) of what else the source says and the config asks for: `save_additional_columns`."""
    held: str | None = None
    """Where the bytes lie on this machine, for sources that have them: `path`, or `path#offset+size` for a member of a
    tar. Set by a reader from where it reads, never from what a row says. Then nothing is asked of the network."""
    evidence: Evidence

    def __post_init__(self) -> None:
        """Raise `ValueError` for text that is not Unicode and for sizes that are not."""
        for name, value in vars(self).items():
            if isinstance(value, str) and not _is_unicode(value):
                raise ValueError(f"{name} is not Unicode: {value!r:.60}")
        if not all(map(_is_unicode, self.tags)):
            raise ValueError("a tag is not Unicode")
        if not all(_is_unicode(text) for pair in (*self.license_claims, *self.extras) for text in pair):
            raise ValueError("a license claim or an extra column is not Unicode")
        for name in ("width", "height"):
            size = getattr(self, name)
            if size is not None and not (isinstance(size, int) and 0 <= size < 2**31):
                raise ValueError(f"{name} is not a number of pixels: {size!r:.60}")

    @property
    def record_id(self) -> str:
        """`source:id`, unique within a corpus."""
        return f"{self.source}:{self.id}"


@dataclass(frozen=True, kw_only=True)
class UnreadableRow:
    """A row that a source reader could not turn into a record. It is counted and kept, never skipped silently."""

    place: str
    problem: str


RECORD_SCHEMA = pa.schema(
    [
        ("record_id", pa.string()),
        ("pack", pa.string()),
        ("url", pa.string()),
        ("landing_url", pa.string()),
        ("license_claims", pa.string()),
        ("title", pa.string()),
        ("creator", pa.string()),
        ("creator_url", pa.string()),
        ("description", pa.string()),
        ("tags", pa.list_(pa.string())),
        ("text_sha256", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("extras", pa.string()),
        ("held", pa.string()),
        ("evidence_file", pa.string()),
        ("evidence_place", pa.string()),
        ("evidence_sha256", pa.string()),
        ("retrieved_at", pa.string()),
    ]
)
"""`license_claims` is `[[field, text], ...]` as JSON: a pack has few distinct ones, and Parquet keeps each once;
`extras` likewise, null when there are none. `text_sha256` is a digest of title, description and tags: what a captioner
that reads is shown."""
UNREADABLE_SCHEMA = pa.schema([("place", pa.string()), ("problem", pa.string())])


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def pack_of(record_id: str, *, source: str, num_packs: int) -> str:
    """Return the pack of the record with this id: one of `<source>-00000`, `<source>-00001`, ...

    Only the id decides, so worker count and arrival order cannot move a record.
    """
    return f"{source}-{int(sha256_hex(record_id.encode())[:12], 16) % num_packs:05d}"


def records_table(records: Iterable[ImageRecord], *, num_packs: int) -> pa.Table:
    """Return the records sorted by pack and id."""
    rows = [_row(record, num_packs) for record in records]
    table = pa.Table.from_pylist(rows, schema=RECORD_SCHEMA)
    return table.sort_by([("pack", "ascending"), ("record_id", "ascending")])


def unreadable_table(rows: Sequence[UnreadableRow]) -> pa.Table:
    """Return the unreadable rows in the order given."""
    return pa.Table.from_pylist([asdict(row) for row in rows], schema=UNREADABLE_SCHEMA)


def _row(record: ImageRecord, num_packs: int) -> dict[str, object]:
    evidence = record.evidence
    return {
        "record_id": record.record_id,
        "pack": pack_of(record.record_id, source=record.source, num_packs=num_packs),
        "url": record.url,
        "landing_url": record.landing_url,
        "license_claims": canonical_json(record.license_claims).decode(),
        "title": record.title,
        "creator": record.creator,
        "creator_url": record.creator_url,
        "description": record.description,
        "tags": list(record.tags),
        "text_sha256": digest_of([record.title or "", record.description or "", record.tags]),
        "width": record.width,
        "height": record.height,
        "extras": canonical_json(record.extras).decode() if record.extras else None,
        "held": record.held,
        "evidence_file": evidence.file,
        "evidence_place": evidence.place,
        "evidence_sha256": evidence.sha256,
        "retrieved_at": evidence.retrieved_at,
    }
