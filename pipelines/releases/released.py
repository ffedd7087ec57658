"""The verdicts of a release, checked against its manifest before anything is made of them."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from byline.catalog.corpora.manifest import Release
from byline.catalog.digests import sha256_hex
from byline.catalog.disk import layout
from byline.catalog.errors import CorpusError

WORDS = ["license", "split"]
"""Columns of verdicts that come as dictionaries."""


def check_manifest(release: Release) -> None:
    """Raise `CorpusError` when the manifest is not the one that the release's version was made from."""
    if (digest := release.manifest.digest[:16]) != release.version:
        where = release.store.url(f"{release.path}/{layout.MANIFEST}")
        raise CorpusError(f"{where} was edited: its digest begins with {digest}, the version is {release.version}")


def released_packs(release: Release) -> list[str]:
    """Return the packs whose verdicts the release lists, sorted."""
    names = [
        path.removeprefix(f"{layout.VERDICTS}/")
        for path in release.manifest.papers
        if path.startswith(f"{layout.VERDICTS}/")
    ]
    return sorted(name.removesuffix(".parquet") for name in names)


def read_paper(release: Release, path: str) -> bytes:
    """Return a file of a release. Raises `CorpusError`, which names it, when the manifest lists other bytes."""
    where = f"{release.path}/{path}"
    data = release.store.read_bytes(where)
    if sha256_hex(data) != release.manifest.papers.get(path):
        raise CorpusError(
            f"{release.store.url(where)} was edited: its bytes are not those that the manifest lists; build again"
        )
    return data


class ReleasedPack:
    """The verdicts of one pack of a release, read column by column."""

    def __init__(self, release: Release, pack: str) -> None:
        """Raises `CorpusError`, which names the file, when its bytes are not those that the manifest lists."""
        data = read_paper(release, layout.verdicts(pack))
        self._file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=WORDS, pre_buffer=False)

    @property
    def num_records(self) -> int:
        """How many records the pack has."""
        return int(self._file.metadata.num_rows)

    def read(self, columns: list[str], rows: pa.Array | None = None) -> pa.Table:
        """Return these columns, of these rows (all by default)."""
        table = self._file.read(columns=columns, use_threads=False)
        return table if rows is None else table.take(rows)

    def places_of(self, record_ids: pa.ChunkedArray) -> pa.Array | None:
        """Return the row of each of these records, null for what the pack lacks; None: they are its rows, in order."""
        own = self.read(["record_id"])["record_id"]
        if own.equals(record_ids):
            return None
        return pc.index_in(record_ids, value_set=own.combine_chunks()).combine_chunks()

    def lost(self, record_ids: pa.ChunkedArray | None = None) -> pa.Table:
        """Return `admitted`, `license` and `sha256` of the rows that are none of these records (all by default)."""
        table = self.read(["record_id", "admitted", "license", "sha256"])
        if record_ids is None:
            return table
        return table.filter(pc.invert(pc.is_in(table["record_id"], value_set=record_ids.combine_chunks())))
