"""Which row group of an ingest run speaks of a URL, without reading the records.

`records/<source>/<run>.urls.parquet` has two columns: the first 64 bits of the SHA-256 of the key of a URL, sorted, and
the number of the row group that has it as `url` or `landing_url`. A look-up reads one row group of 64k rows. Hashes can
collide, so what is found is a candidate. Written before the records, whose existence makes the run. The file says by
which version of `catalog.urls.url_key` it was made; one of another version finds nothing, and is made again by the next
build.
"""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from byline.catalog.disk.spilling import Spill, write_regrouped
from byline.catalog.disk.storage import Store
from byline.catalog.errors import StorageError, UnreachableError
from byline.catalog.urls import KEYS, url_key

URL_COLUMNS = ("url", "landing_url")
MADE_WITH = {b"byline:url_key": KEYS.encode()}
URL_INDEX_SCHEMA = pa.schema([("url_hash", pa.uint64()), ("row_group", pa.int32())], metadata=MADE_WITH)
ROWS_PER_GROUP = 1 << 16
RANGE_BITS = 8
"""Hashes are sorted in ranges of their first bits: 256 of them, each 10 MB for a hundred million records."""
PENDING_BYTES = 8 << 20
"""Bytes of hashes that are held before they are spilled."""


def url_index_path(records_path: str) -> str:
    """Return where the index of an ingest run lies."""
    return f"{records_path.removesuffix('.parquet')}.urls.parquet"


class UrlIndex:
    """The index of an ingest run as it grows; memory holds a part of the hashes, `folder` the rest."""

    def __init__(self, folder: Path) -> None:
        self._spill = Spill(folder, URL_INDEX_SCHEMA, pending_bytes=PENDING_BYTES)
        self._num_groups = 0

    def add(self, group: pa.Table) -> None:
        """Take in the records of the next row group; of its columns only `URL_COLUMNS` count."""
        hashes = np.unique(np.concatenate([_hashes(group[name].to_pylist()) for name in URL_COLUMNS]))
        number = np.full(len(hashes), self._num_groups, np.int32)
        rows = pa.Table.from_arrays([pa.array(hashes), pa.array(number)], schema=URL_INDEX_SCHEMA)
        self._spill.add(rows, (hashes >> np.uint64(64 - RANGE_BITS)).astype(np.int64))
        self._num_groups += 1

    def write(self, store: Store, records_path: str) -> None:
        """Write the index of these records, sorted by hash, and among equal ones by row group."""
        with store.writing_groups(
            url_index_path(records_path),
            URL_INDEX_SCHEMA,
            compression={"url_hash": "NONE", "row_group": "ZSTD"},
            use_dictionary=["row_group"],
        ) as writer:
            write_regrouped(writer, self._sorted(), ROWS_PER_GROUP)

    def _sorted(self) -> Iterator[pa.Table]:
        for _, rows in self._spill.read():
            yield rows.take(pa.array(np.argsort(rows["url_hash"].to_numpy(), kind="stable")))


def row_groups_of(store: Store, records_path: str, url: str) -> list[int] | None:
    """Return the row groups that may have a URL, in order; None when the run has no index by the keys of today."""
    path = url_index_path(records_path)
    if not _is_of_today(store, path):
        return None
    wanted = _hashes([url])[0]
    row_groups: set[int] = set()
    footer = store.read_footer(path)
    for number in range(footer.metadata.num_row_groups):
        column = footer.metadata.row_group(number).column(0).statistics
        if column is not None and column.has_min_max and column.min <= wanted <= column.max:
            rows = store.read_row_group(path, number, footer)
            is_wanted = rows["url_hash"].to_numpy() == wanted
            row_groups.update(rows["row_group"].to_numpy()[is_wanted].tolist())
    return sorted(row_groups)


def renew_url_index(store: Store, records_path: str, groups: Iterable[pa.Table]) -> None:
    """Make the index of an ingest run again, from its row groups, where it is missing, damaged or of other keys."""
    if _is_of_today(store, url_index_path(records_path)):
        return
    with store.scratch_folder() as scratch:
        index = UrlIndex(scratch / "urls")
        for group in groups:
            index.add(group)
        index.write(store, records_path)


def _is_of_today(store: Store, path: str) -> bool:
    if not store.exists(path):
        return False
    try:
        metadata = store.read_footer(path).metadata.metadata or {}
    except UnreachableError:
        raise
    except StorageError:
        return False
    return MADE_WITH.items() <= metadata.items()


def _hashes(urls: list[str | None]) -> npt.NDArray[np.uint64]:
    keys = (url_key(url).encode(errors="surrogatepass") for url in urls if url)
    digests = b"".join(hashlib.sha256(key).digest()[:8] for key in keys)
    return np.frombuffer(digests, ">u8").astype(np.uint64)
