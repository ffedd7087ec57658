"""Which row group of an ingest run speaks of a URL, without reading the records.

`records/<source>/<run>.urls.parquet` has two columns: the first 64 bits of the SHA-256 of the key of a URL, sorted, and
the number of the row group that has it as `url` or `landing_url`. A look-up reads one row group of 64k rows. Hashes can
collide, so what is found is a candidate. Written before the records, whose existence makes the run.
"""

import hashlib
import re
from collections.abc import Iterable
from io import BytesIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from catalog.storage import Store

URL_COLUMNS = ("url", "landing_url")
URL_INDEX_SCHEMA = pa.schema([("url_hash", pa.uint64()), ("row_group", pa.int32())])
ROWS_PER_GROUP = 1 << 16
_HTTP = re.compile(r"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)


def url_key(url: str) -> str:
    """Return what equal URLs have in common.

    `http` equals `https`, the host's case does not count, nor does one slash at the end of a URL without a query. All
    the rest is compared as it is: path, query, fragment, percent signs, port, `www.`.
    """
    match = _HTTP.fullmatch(url)
    if match is None:
        return url
    host, rest = match.groups()
    return host.lower() + (rest if "?" in rest or "#" in rest else rest.removesuffix("/"))


def url_index_path(records_path: str) -> str:
    """Return where the index of an ingest run lies."""
    return f"{records_path.removesuffix('.parquet')}.urls.parquet"


def url_index(groups: Iterable[pa.Table]) -> bytes:
    """Return the index of records, given with their `URL_COLUMNS`, a table for each row group in order."""
    hashes, numbers = [np.zeros(0, np.uint64)], [np.zeros(0, np.int32)]
    for number, group in enumerate(groups):
        found = np.unique(np.concatenate([_hashes(group[name].to_pylist()) for name in URL_COLUMNS]))
        hashes.append(found)
        numbers.append(np.full(len(found), number, np.int32))
    url_hash = np.concatenate(hashes)
    order = np.argsort(url_hash, kind="stable")
    columns = {"url_hash": url_hash[order], "row_group": np.concatenate(numbers)[order]}
    sink = BytesIO()
    table = pa.table({name: pa.array(values) for name, values in columns.items()}, schema=URL_INDEX_SCHEMA)
    compression = {"url_hash": "NONE", "row_group": "ZSTD"}
    pq.write_table(table, sink, row_group_size=ROWS_PER_GROUP, compression=compression, use_dictionary=["row_group"])
    return sink.getvalue()


def row_groups_of(store: Store, records_path: str, url: str) -> list[int] | None:
    """Return the row groups that may have a URL, in order; None when the run has no index."""
    path = url_index_path(records_path)
    if not store.exists(path):
        return None
    wanted = _hashes([url])[0]
    found: set[int] = set()
    with store.open(path) as file:
        parquet = pq.ParquetFile(file, pre_buffer=False)
        for number in range(parquet.metadata.num_row_groups):
            column = parquet.metadata.row_group(number).column(0).statistics
            if column is not None and column.has_min_max and column.min <= wanted <= column.max:
                rows = parquet.read_row_group(number, use_threads=False)
                is_wanted = rows["url_hash"].to_numpy() == wanted
                found.update(rows["row_group"].to_numpy()[is_wanted].tolist())
    return sorted(found)


def _hashes(urls: list[str | None]) -> npt.NDArray[np.uint64]:
    keys = (url_key(url).encode() for url in urls if url)
    digests = b"".join(hashlib.sha256(key).digest()[:8] for key in keys)
    return np.frombuffer(digests, ">u8").astype(np.uint64)
