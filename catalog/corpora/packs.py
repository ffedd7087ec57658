"""The pack on disk: image bytes in a tar, and one index row for every record that was asked for.

`packs/<pack>.<segment>.parquet` is the index, img2dataset's columns first; each row names the tar that holds its bytes,
`<pack>.<segment>.<digest>.tar`. The index is what makes a segment exist: it is written after the tar, and of several
writers one wins. img2dataset's `_stats.json` is beside it. What is fetched later goes into a further segment.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate, groupby
from tarfile import BLOCKSIZE
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.digests import sha256_hex
from byline.catalog.disk import layout
from byline.catalog.disk.json_files import write_json
from byline.catalog.disk.storage import Store
from byline.catalog.disk.tars import TarMember, whole_blocks, write_pieces, write_tar
from byline.catalog.errors import CorpusError


class Outcome(StrEnum):
    """What became of one record at fetch. Closed: every record that was asked for has exactly one.

    `DISALLOWED` is what robots.txt forbids, `UNCHANGED` what a recheck finds as it was; a pack has none of the latter.
    """

    FETCHED = "fetched"
    BAD_URL = "bad-url"
    PRIVATE_ADDRESS = "private-address"
    DISALLOWED = "disallowed"
    BAD_CERTIFICATE = "bad-certificate"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    SERVER_ERROR = "server-error"
    HTTP_ERROR = "http-error"
    TOO_LARGE = "too-large"
    NOT_AN_IMAGE = "not-an-image"
    TOO_MANY_PIXELS = "too-many-pixels"
    DAMAGED = "damaged"
    POLYGLOT = "polyglot"
    NOT_RESIZABLE = "not-resizable"
    DENIED = "denied"
    UNCHANGED = "unchanged"


TRANSIENT = frozenset({Outcome.UNREACHABLE, Outcome.TIMEOUT, Outcome.SERVER_ERROR})
"""Outcomes that may be another one tomorrow: a later build asks again, up to `MAX_ATTEMPTS` times in all."""
MAX_ATTEMPTS = 3
"""Most requests for one picture that are sent, far enough apart (`pipelines.facts.attempts`)."""
ORIGINALS = ".originals.tar"
"""How a tar of bytes as fetched ends; its members are `<sha256>.<ending of the media type>`."""
ENDINGS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/bmp": "bmp",
    "image/tiff": "tif",
}

INDEX_SCHEMA = pa.schema(
    [
        ("url", pa.string()),
        ("key", pa.string()),
        ("status", pa.string()),
        ("error_message", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("original_width", pa.int32()),
        ("original_height", pa.int32()),
        ("sha256", pa.string()),
        ("record_id", pa.string()),
        ("outcome", pa.string()),
        ("media_type", pa.string()),
        ("stored_sha256", pa.string()),
        ("tar", pa.string()),
        ("offset", pa.int64()),
        ("size", pa.int64()),
        ("fetched_at", pa.timestamp("ms", tz="UTC")),
        ("consent", pa.string()),
        ("final_url", pa.string()),
        ("etag", pa.string()),
        ("last_modified", pa.string()),
        ("originals", pa.string()),
        ("original_offset", pa.int64()),
        ("original_size", pa.int64()),
        ("was_sent", pa.bool_()),
    ]
)
"""`sha256` is of the bytes as fetched, `stored_sha256` of the JPEG at [offset, offset + size) of the tar. `consent` is
evidence for `catalog.consent.read_consent`; null when the server said nothing or nothing was answered. `final_url` is
where redirects led. `originals` names the tar of the bytes as fetched, where the corpus keeps them. `was_sent` says
whether the host was asked for it, and is null in what was written before that was kept."""


def num_pack_segments(store: Store, pack: str) -> int:
    """Return how many segments a pack has."""
    return len(store.numbered(layout.pack_segments(pack), ".parquet"))


def read_attempts(
    store: Store, pack: str, columns: list[str] | None = None, *, num_segments: int | None = None
) -> pa.Table:
    """Return the index rows of the first segments of a pack, by default of all, in the order of writing."""
    names = INDEX_SCHEMA.names if columns is None else columns
    number = num_pack_segments(store, pack) if num_segments is None else num_segments
    stems = (f"{layout.pack_segments(pack)}{segment:03d}" for segment in range(number))
    tables = [store.read_table(f"{stem}.parquet", names) for stem in stems]
    return pa.concat_tables([INDEX_SCHEMA.empty_table().select(names), *tables], promote_options="default")


def read_index(store: Store, pack: str) -> pa.Table:
    """Return the newest index row of each record of a pack at each of its URLs, sorted by record_id."""
    attempts = read_attempts(store, pack).combine_chunks()
    ids = pc.dictionary_encode(asked_for(attempts))
    codes = ids.combine_chunks().indices.to_numpy() if len(attempts) else np.zeros(0, np.int32)
    last = np.zeros(codes.max(initial=-1) + 1, np.int64)
    last[codes] = np.arange(len(codes))  # of equal ids the last one stays
    return attempts.take(pa.array(np.sort(last))).sort_by([("record_id", "ascending"), ("url", "ascending")])


def read_rows_of(store: Store, pack: str, records: pa.Table, columns: list[str]) -> pa.Table:
    """Return these columns of the newest index row of each record, in their order; nulls where none is.

    `records` has `record_id` and `url`: what another URL of a record once gave is not an answer to this one.
    """
    names = list(dict.fromkeys(["record_id", "url", *columns]))
    stems = store.numbered(layout.pack_segments(pack), ".parquet")
    tables = [store.read_table(f"{stem}.parquet", names) for stem in reversed(stems)]
    newest_first = pa.concat_tables([INDEX_SCHEMA.empty_table().select(names), *tables])
    places = pc.index_in(asked_for(records), value_set=asked_for(newest_first).combine_chunks())
    return newest_first.select(columns).take(places)


def asked_for(rows: pa.Table) -> pa.ChunkedArray:
    """Return what each row (`record_id`, `url`) is about: a record at a URL."""
    return pc.binary_join_element_wise(rows["record_id"], rows["url"], "\n")


SegmentRow = tuple[dict[str, object], bytes | None] | tuple[dict[str, object], bytes | None, bytes | None]
"""Columns of the index, the stored bytes, and those as fetched where the corpus keeps them."""


def write_segment(
    store: Store,
    pack: str,
    rows: Iterable[SegmentRow],
    stats: dict[str, object],
    *,
    number: int | None = None,
) -> bool:
    """Add a segment of index rows with their stored bytes (none where nothing was fetched), and the originals if given.

    Equal bytes are stored once, in the order of their digests. Tells whether the segment was added: when another
    writer was first, nothing changed. `number` is how many segments the writer knew when it chose the rows; by default
    all that are there.
    """
    listed = list(rows)
    stem = f"{pack}.{num_pack_segments(store, pack) if number is None else number:03d}"
    stored = {_member(row[0]): row[1] for row in listed if row[1] is not None}
    tar, places = _write_members(store, stem, stored, ".tar")
    originals = {_original_member(row[0]): row[2] for row in listed if len(row) == 3 and row[2] is not None}
    of_originals, original_places = _write_members(store, stem, originals, ORIGINALS) if originals else ("", {})
    index = []
    for row in listed:
        columns = dict(row[0])
        if member := places.get(_member(row[0])):
            columns |= {"tar": tar, "offset": member.offset, "size": member.size}
        if member := original_places.get(_original_member(row[0])):
            columns |= {"originals": of_originals, "original_offset": member.offset, "original_size": member.size}
        index.append(columns)
    if not store.write_new_table(layout.pack_index(stem), pa.Table.from_pylist(index, schema=INDEX_SCHEMA)):
        return False
    write_json(store, layout.pack_file(f"{stem}_stats.json"), stats)
    return True


def _member(row: Mapping[str, object]) -> str:
    return f"{row.get('sha256')}.jpg"


def _original_member(row: Mapping[str, object]) -> str:
    return f"{row.get('sha256')}.{ENDINGS.get(str(row.get('media_type')), 'original')}"


def _write_members(
    store: Store, stem: str, members: Mapping[str, bytes], suffix: str
) -> tuple[str, dict[str, TarMember]]:
    """Write a tar that is named after its members; return its name and where they lie."""
    listed = sorted(members.items())
    digest = sha256_hex("".join(sha256_hex(data) for _, data in listed).encode())[:16]
    name = f"{stem}.{digest}{suffix}"
    with store.writing(layout.pack_file(name)) as file:
        return name, {member.name: member for member in write_tar(file, listed)}


def remove_records(store: Store, pack: str, record_ids: Collection[str]) -> list[str]:
    """Remove these records and their pictures from a pack; return the paths of the files that changed or went.

    Tars that hold a picture of theirs are spliced, no other is touched. No other record may have the same pictures. A
    segment stays, if need be empty, so that the others keep their numbers. Done again, or after a kill, it ends with
    the same files.
    """
    changed = []
    gone = pa.array(sorted(record_ids), pa.string())
    for stem in store.numbered(layout.pack_segments(pack), ".parquet"):
        index = store.read_table(f"{stem}.parquet")
        is_gone = pc.is_in(index["record_id"], gone)
        removed, kept = index.filter(is_gone), index.filter(pc.invert(is_gone))
        if not len(removed):
            continue
        for columns in (_STORED, _ORIGINAL):
            for tar in pc.unique(removed[columns.tar].drop_null()).to_pylist():
                kept = _splice(store, stem, tar, kept, columns)
                changed.append(layout.pack_file(tar))
        store.write_table(f"{stem}.parquet", kept)
        changed.append(f"{stem}.parquet")
    left = read_attempts(store, pack, ["tar", "originals"])
    named = {*pc.unique(left["tar"]).to_pylist(), *pc.unique(left["originals"]).to_pylist()}
    for name in store.files(layout.PACKS, suffix=".tar"):  # what was spliced, and what a killed writer left
        if name.startswith(f"{pack}.") and name not in named:
            store.remove(layout.pack_file(name))
    return changed


@dataclass(frozen=True, kw_only=True)
class _TarColumns:
    """Which columns of the index say where a member lies, and what its digest is."""

    tar: str
    offset: str
    size: str
    digest: str
    suffix: str


_STORED = _TarColumns(tar="tar", offset="offset", size="size", digest="stored_sha256", suffix=".tar")
_ORIGINAL = _TarColumns(
    tar="originals", offset="original_offset", size="original_size", digest="sha256", suffix=ORIGINALS
)


def _splice(store: Store, stem: str, tar: str, kept: pa.Table, columns: _TarColumns) -> pa.Table:
    """Write the members of a tar that the rows in `kept` name to a new tar; return these rows as they name that one."""
    rows = kept.to_pylist()
    members = {row["sha256"]: row for row in rows if row[columns.tar] == tar}
    listed = [members[key] for key in sorted(members)]
    digest = sha256_hex("".join(row[columns.digest] for row in listed).encode())[:16]
    name = f"{stem.removeprefix(f'{layout.PACKS}/')}.{digest}{columns.suffix}"
    sizes = [BLOCKSIZE + whole_blocks(row[columns.size]) for row in listed]
    with store.open(layout.pack_file(tar)) as old, store.writing(layout.pack_file(name)) as file:
        pieces = zip((row[columns.offset] - BLOCKSIZE for row in listed), sizes, strict=True)
        write_pieces(file, (_read_at(old, start, size) for start, size in pieces))
    offsets = {row["sha256"]: start + BLOCKSIZE for row, start in zip(listed, accumulate([0, *sizes]), strict=False)}
    moved = [
        {**row, columns.tar: name, columns.offset: offsets[row["sha256"]]} if row[columns.tar] == tar else row
        for row in rows
    ]
    return pa.Table.from_pylist(moved, schema=INDEX_SCHEMA)


def _read_at(file: IO[bytes], start: int, size: int) -> bytes:
    file.seek(start)
    return file.read(size)


def read_images(store: Store, index: pa.Table, *, only: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Yield (sha256, stored bytes) of the pictures in `only`, once each, sorted within each tar.

    Raises `CorpusError` when the bytes are not those that were stored.
    """
    wanted = index.filter(pc.is_in(index["key"], pa.array(sorted(only), pa.string())))
    places = wanted.select(["tar", "sha256", "stored_sha256", "offset", "size"]).to_pylist()
    by_tar = sorted(places, key=lambda row: (row["tar"], row["sha256"]))
    seen: set[str] = set()
    for name, group in groupby(by_tar, key=lambda row: row["tar"]):
        with store.open(layout.pack_file(name)) as tar:
            for row in group:
                if row["sha256"] in seen:
                    continue
                seen.add(row["sha256"])
                tar.seek(row["offset"])
                data = tar.read(row["size"])
                if sha256_hex(data) != row["stored_sha256"]:
                    raise CorpusError(f"{store.url(layout.pack_file(name))} is damaged at {row['sha256']}; restore it")
                yield row["sha256"], data
