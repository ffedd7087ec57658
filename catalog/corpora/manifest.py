"""What a release is made of: the only thing that training needs to find on disk."""

import re
from collections.abc import Iterable, Iterator
from io import BytesIO
from tarfile import TarError
from typing import Literal

import pyarrow as pa
from pydantic import BaseModel, Field, ValidationError

from byline.catalog.corpora.sample_rows import read_as_tar
from byline.catalog.digests import canonical_json, digest_of
from byline.catalog.disk import layout
from byline.catalog.disk.json_files import read_json
from byline.catalog.disk.mending import how_to_mend
from byline.catalog.disk.storage import Store
from byline.catalog.disk.tars import read_tar
from byline.catalog.errors import CorpusError

Split = Literal["train", "heldout"]
Format = Literal["webdataset", "parquet"]
SPLITS: tuple[Split, ...] = ("train", "heldout")
VERSION = re.compile(r"\w[\w.-]*", re.ASCII)
_DIGITS = re.compile(r"[0-9a-f]{16}")
TABLE_XXH3 = "table_xxh3"
"""Key beside the `Shard` for the XXH3 of its table, in what a corpus says of a shard."""
EXPORT = "export.json"
"""File in a folder that `byline export` made: which release it holds."""


class Shard(BaseModel, frozen=True, extra="forbid"):
    """One tar of samples: the selected images of one pack and split, in key order."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*\.tar$")
    """File name under `shards/`; it carries the digest of the samples, so equal names mean equal bytes."""
    pack: str
    split: Split
    sha256: str
    """Digest of the tar's bytes."""
    table_sha256: str
    """Digest of the Parquet file beside the tar, which has one row a sample: what its JSON says, and where it lies."""
    num_samples: int
    num_bytes: int


class Manifest(BaseModel, frozen=True, extra="forbid"):
    """One release. Its digest names the release, and every checkpoint trained on it carries that digest."""

    name: str
    policy_digest: str
    instruments: dict[str, str]
    """Measure -> the instrument whose facts were judged, e.g. `hashes: imagehash-4.3.2-...`."""
    shards: tuple[Shard, ...] = Field(min_length=1)
    counts: dict[str, int]
    """`records`, `images`, `admitted`, `refused`, `duplicates`, `train`, `heldout`."""
    reasons: dict[str, int]
    """Reason -> records that it refused (a record can have several reasons)."""
    licenses: dict[str, int]
    """SPDX id -> admitted samples."""
    records: dict[str, str]
    """Source -> the Parquet file of its records that were judged, relative to the corpus."""
    papers: dict[str, str]
    """File beside the manifest -> SHA-256."""

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON: equal releases have equal digests, wherever and whenever they were built."""
        return digest_of(self)


class Export(BaseModel, frozen=True, extra="forbid"):
    """What a folder of its own holds, which has all of a release: `byline export` makes one."""

    name: str
    version: str
    format: Format = "webdataset"
    """Whether its samples are tars in `shards/`, or rows in `data/`."""


class Release:
    """A release: `<corpus>/releases/<name>/<version>`, or without the version for the latest one, or an export."""

    def __init__(self, url: str) -> None:
        """Open a release. Raises `CorpusError` when there is none at `url`."""
        self.export = _export_at(url)
        if self.export is not None:
            self.name, self.version = self.export.name, self.export.version
            self.store, self.path = _folder_in_store(url)
            self._shards = f"{self.path}/{layout.SHARDS}"
        else:
            match = re.fullmatch(r"(?:(.*)/)?releases/([^/]+)(?:/([^/]+))?/*", url)
            if match is None:
                raise CorpusError(
                    f"{url} is not a release; it must look like <corpus>/releases/<name>[/<version>], or be a folder "
                    "that byline export made"
                )
            corpus, self.name, version = match.groups()
            self.store = Store("." if corpus is None else corpus or "/")
            self.version = version or self._latest()
            self.path = layout.release(self.name, self.version)
            self._shards = layout.SHARDS
        self.manifest = self._read_manifest()

    def shard_path(self, shard: Shard) -> str:
        """Return where the samples of a shard lie in the store: its tar, or its rows."""
        return f"{self.path}/{rows_path(shard)}" if self.has_rows else f"{self._shards}/{shard.name}"

    @property
    def has_rows(self) -> bool:
        """Whether this is an export in Parquet, which has no tars and no tables beside them."""
        return self.export is not None and self.export.format == "parquet"

    def table_path(self, shard: Shard) -> str:
        """Return where the table of a shard lies in the store."""
        return f"{self._shards}/{shard.name.removesuffix('.tar')}.parquet"

    def _latest(self) -> str:
        path = layout.latest(self.name)
        if not self.store.exists(path):
            raise CorpusError(f"no release {self.name} in {self.store.root}; make one with: byline build CONFIG")
        version = self.store.read_bytes(path).decode(errors="replace").strip()
        if not (VERSION.fullmatch(version) and self.store.files(layout.release(self.name, version))):
            raise CorpusError(
                f"{self.store.url(path)} is damaged: it names {version[:40]!r}, which is not there; {how_to_mend(path)}"
            )
        return version

    def _read_manifest(self) -> Manifest:
        path = f"{self.path}/{layout.MANIFEST}"
        if self.store.exists(f"{self.path}/{layout.WITHDRAWN}"):
            note = read_json(self.store, f"{self.path}/{layout.WITHDRAWN}")
            successor = note.get("successor")
            raise CorpusError(
                f"{self.store.url(self.path)} was withdrawn by takedown {note.get('takedown')}; "
                f"{'nothing was left of it' if successor is None else f'use version {successor}'}"
            )
        if not self.store.exists(path):
            if self.export is not None:
                raise CorpusError(f"{self.store.url(self.path)} is not whole; run its byline export again")
            raise CorpusError(f"no release at {self.store.url(self.path)}; make one with: byline build CONFIG")
        try:
            return Manifest.model_validate_json(self.store.read_bytes(path))
        except ValidationError as error:
            mend = how_to_mend(path) if self.export is None else "export it again"
            raise CorpusError(f"{self.store.url(path)} is damaged: {error.errors()[0]['msg']}; {mend}") from error

    def shards(self, split: Split) -> list[Shard]:
        """Return the shards of one split, in the manifest's order."""
        return [shard for shard in self.manifest.shards if shard.split == split]

    def rows(self, shard: Shard, columns: list[str]) -> pa.Table | None:
        """Return columns of a shard's samples, sorted by `sha256`, without their tar; None where it has no table.

        A column that the samples of this release do not have is left out. Raises `BylineError` for a damaged table.
        """
        if self.has_rows:
            table = self.store.read_table(self.shard_path(shard), columns)
        elif not self.store.exists(self.table_path(shard)):
            return None
        elif self.export is None:
            table = read_shard_table(self.store, shard.name, columns)
        else:
            table = self.store.read_table(self.table_path(shard), columns)
        if len(table) != shard.num_samples:
            raise CorpusError(
                f"the table of {shard.name} has {len(table)} samples, not {shard.num_samples}; "
                "delete it and build again"
            )
        return table.sort_by("sha256")

    def read_shard(self, shard: Shard) -> bytes:
        """Return the tar of a shard, unchecked; that of rows is made again. Raises `BylineError` without one."""
        path = self.shard_path(shard)
        return read_as_tar(self.store, path) if self.has_rows else self.store.read_bytes(path)

    def samples(self, shard: Shard, tar: bytes | None = None) -> Iterator[dict[str, bytes]]:
        """Yield the samples of a shard as webdataset shows them: `__key__`, `jpg`, `json`, `txt`, as bytes.

        `tar` is what `read_shard` gave, for a caller that has checked it. Raises `CorpusError` at the place where the
        tar is damaged.
        """
        sample: dict[str, bytes] = {}
        for name, data in self._members(shard, self.read_shard(shard) if tar is None else tar):
            key, _, extension = name.partition(".")
            if sample and sample["__key__"] != key.encode():
                yield sample
                sample = {}
            sample["__key__"] = key.encode()
            sample[extension] = data
        if sample:
            yield sample

    def _members(self, shard: Shard, tar: bytes) -> Iterator[tuple[str, bytes]]:
        try:
            yield from read_tar(BytesIO(tar))
        except TarError as error:
            raise CorpusError(f"{shard.name} is not a readable tar: {error}; build the release again") from error


def version_folders(store: Store, folder: str) -> list[str]:
    """Return the versions of a release, which have the folder `folder`, damaged ones too.

    A folder in it that has neither the name of a version nor a manifest is nobody's, as a stray file is.
    """
    manifests = ((name, f"{folder}/{name}/{layout.MANIFEST}") for name in store.folders(folder))
    return [name for name, manifest in manifests if _DIGITS.fullmatch(name) or store.exists(manifest)]


def in_corpus(url: str) -> Release:
    """Open a release that lies in its corpus. Raises `CorpusError` for an export: its corpus is elsewhere."""
    release = Release(url)
    if release.export is not None:
        raise CorpusError(f"{url} is an export, and this needs the corpus that release {release.name} was built in")
    return release


def _folder_in_store(url: str) -> tuple[Store, str]:
    parent, _, folder = url.rstrip("/").rpartition("/")
    if parent.endswith(":/"):  # a whole bucket
        parent += "/"
    return Store(parent or ("/" if url.startswith("/") else ".")), folder


def _export_at(url: str) -> Export | None:
    store = Store(url.rstrip("/") or "/")
    if not store.exists(EXPORT):
        return None
    try:
        return Export.model_validate_json(store.read_bytes(EXPORT))
    except ValidationError as error:
        raise CorpusError(f"{store.url(EXPORT)} is damaged: {error.errors()[0]['msg']}; export again") from error


def manifest_bytes(manifest: Manifest) -> bytes:
    """Return the bytes of `manifest.json`."""
    return canonical_json(manifest.model_dump(mode="json")) + b"\n"


def shard_table_path(name: str) -> str:
    """Return where the table of the shard with this name lies in the corpus."""
    return layout.shard_file(f"{name.removesuffix('.tar')}.parquet")


def read_shard_table(store: Store, name: str, columns: list[str] | None = None) -> pa.Table:
    """Return the table of the shard with this name in a corpus. Raises `StorageError` when it is damaged."""
    path = shard_description_path(name)
    description = read_json(store, path) if store.exists(path) else {}
    return store.read_table(shard_table_path(name), columns, xxh3=description.get(TABLE_XXH3))


def shard_description_path(name: str) -> str:
    """Return where a corpus says what the shard with this name is: its `Shard`, and XXH3 of its table's bytes."""
    return layout.shard_file(f"{name.removesuffix('.tar')}.json")


def rows_path(shard: Shard) -> str:
    """Return where the rows of a shard lie in an export as Parquet."""
    return f"data/{shard.split}/{shard.name.removesuffix('.tar')}.parquet"


def shard_list(shards: Iterable[Shard], split: Split) -> bytes:
    """Return the shards of a split, one a line, as paths from the release's folder: what webdataset is given."""
    return "".join(
        f"{layout.SHARDS_FROM_RELEASE}{shard.name}\n" for shard in _by_name(shards) if shard.split == split
    ).encode()


def checksums(manifest: Manifest) -> bytes:
    """Return SHA256SUMS, for `sha256sum --check` in the release's folder: its papers and its shards."""
    sums = {f"{layout.SHARDS_FROM_RELEASE}{shard.name}": shard.sha256 for shard in manifest.shards}
    sums |= {f"../../../{shard_table_path(shard.name)}": shard.table_sha256 for shard in manifest.shards}
    sums |= manifest.papers
    return "".join(f"{digest}  {path}\n" for path, digest in sorted(sums.items())).encode()


def _by_name(shards: Iterable[Shard]) -> list[Shard]:
    return sorted(shards, key=lambda shard: shard.name)
