"""What a source says about one picture, kept as it was said, with the evidence."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache

import pyarrow as pa

from byline.catalog.digests import canonical_json, digest_of, sha256_hex


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Where a record was read, so that it can be shown again."""

    file: str
    """The metadata file, or the request."""
    place: str
    """Place in the file: a line, a page id."""
    sha256: str
    """Digest of the row as the source gave it."""
    retrieved_at: str | None = None
    """When it was retrieved: ISO 8601, as the source's answer states it; None when it does not."""


@dataclass(frozen=True, kw_only=True)
class ImageRecord:
    """One source's claim about one picture. Nothing is interpreted: licenses are read when they are judged."""

    source: str
    id: str
    """The source's own id, unique within the source."""
    url: str
    landing_url: str | None = None
    license_claims: tuple[tuple[str, str], ...] = ()
    """One (field, text) for every field in which the source speaks of the license."""
    title: str | None = None
    creator: str | None = None
    creator_url: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    width: int | None = None
    height: int | None = None
    extras: tuple[tuple[str, str], ...] = ()
    """One (column, text) for what else the source says and the config asks for: `save_additional_columns`."""
    held: str | None = None
    """Where the bytes lie, on this machine or an object store, for sources that have them: `path`, `path#offset+size`
    for a member of a tar, `path#row@column` for a cell of Parquet. Set by a reader from where it reads, never from what
    a row says. Then nothing is asked of the network but that store."""
    evidence: Evidence

    def __post_init__(self) -> None:
        """Raise `ValueError` for text that is not Unicode and for sizes that are not."""
        texts = [value for value in vars(self).values() if isinstance(value, str)]
        texts += [value for value in vars(self.evidence).values() if isinstance(value, str)]
        pairs = (*self.license_claims, *self.extras)
        if not _is_unicode("".join([*texts, *self.tags, *(text for pair in pairs for text in pair)])):
            raise ValueError(f"{self._not_unicode()} is not Unicode")
        for name in ("width", "height"):
            size = getattr(self, name)
            if size is not None and not (isinstance(size, int) and 0 <= size < 2**31):
                raise ValueError(f"{name} is not a number of pixels: {size!r:.60}")

    def _not_unicode(self) -> str:
        texts = {name: value for name, value in vars(self).items() if isinstance(value, str)}
        texts |= {"a tag": "".join(self.tags), "when it was retrieved": self.evidence.retrieved_at or ""}
        texts |= {"the request": self.evidence.file}
        return next(
            (name for name, text in texts.items() if not _is_unicode(text)), "a license claim or an extra column"
        )

    @property
    def record_id(self) -> str:
        """`source:id`, unique within a corpus."""
        return f"{self.source}:{self.id}"


@dataclass(frozen=True, kw_only=True)
class UnreadableRow:
    """A row that a source reader could not turn into a record. It is counted and kept, never skipped silently."""

    place: str
    problem: str


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A row that a source reader understood and that speaks of no picture, as of a video. It is counted by its kind."""

    kind: str


Row = ImageRecord | UnreadableRow | LeftOut
"""What a source reader makes of a row."""

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

    >>> pack_of("flickr:2534", source="flickr", num_packs=100)
    'flickr-00061'
    """
    return f"{source}-{int(sha256_hex(record_id.encode())[:12], 16) % num_packs:05d}"


def records_table(records: Iterable[ImageRecord], *, num_packs: int) -> pa.Table:
    """Return the records sorted by pack and id."""
    table = unsorted_records(list(records), num_packs=num_packs)
    return table.sort_by([("pack", "ascending"), ("record_id", "ascending")])


def unsorted_records(records: Sequence[ImageRecord], *, num_packs: int) -> pa.Table:
    """Return the records in the order given."""
    ids = [record.record_id for record in records]
    columns: dict[str, list[object]] = {name: [value(record) for record in records] for name, value in _VALUES.items()}
    sources = [record.source for record in records]
    columns["record_id"] = [*ids]
    columns["pack"] = [pack_of(i, source=s, num_packs=num_packs) for i, s in zip(ids, sources, strict=True)]
    arrays = [pa.array(columns[field.name], field.type) for field in RECORD_SCHEMA]
    return pa.Table.from_arrays(arrays, schema=RECORD_SCHEMA)


def unreadable_table(rows: Sequence[UnreadableRow]) -> pa.Table:
    """Return the unreadable rows in the order given."""
    return pa.Table.from_pylist([asdict(row) for row in rows], schema=UNREADABLE_SCHEMA)


@lru_cache(maxsize=1 << 12)
def _as_json(pairs: tuple[tuple[str, str], ...]) -> str:
    return canonical_json(pairs).decode()


_VALUES: dict[str, Callable[[ImageRecord], object]] = {
    "url": lambda record: record.url,
    "landing_url": lambda record: record.landing_url,
    "license_claims": lambda record: _as_json(record.license_claims),
    "title": lambda record: record.title,
    "creator": lambda record: record.creator,
    "creator_url": lambda record: record.creator_url,
    "description": lambda record: record.description,
    "tags": lambda record: record.tags,
    "text_sha256": lambda record: digest_of([record.title or "", record.description or "", record.tags]),
    "width": lambda record: record.width,
    "height": lambda record: record.height,
    "extras": lambda record: canonical_json(record.extras).decode() if record.extras else None,
    "held": lambda record: record.held,
    "evidence_file": lambda record: record.evidence.file,
    "evidence_place": lambda record: record.evidence.place,
    "evidence_sha256": lambda record: record.evidence.sha256,
    "retrieved_at": lambda record: record.evidence.retrieved_at,
}
"""Column of `RECORD_SCHEMA` -> its value, for all that a record says itself."""
