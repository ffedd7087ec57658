"""Check a corpus: every file that byline wrote against the digest that it carries, or that names it."""

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import PurePosixPath
from tarfile import BLOCKSIZE
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.corpora.corpus import read_sealed_settings
from byline.catalog.corpora.manifest import Release, Shard, version_folders
from byline.catalog.corpora.packs import ORIGINALS
from byline.catalog.corpora.withdrawn import is_withdrawn, read_withdrawn_manifest
from byline.catalog.denylists.lists import load_denylist, read_key, receipt_ids
from byline.catalog.digests import digest_of, sha256_hex
from byline.catalog.disk import layout
from byline.catalog.disk.json_files import read_sealed_json
from byline.catalog.disk.mending import how_to_mend
from byline.catalog.disk.storage import ARROW, Store
from byline.catalog.disk.tars import end_of_tar, sample_bytes, whole_blocks
from byline.catalog.errors import BylineError, CorpusError
from byline.pipelines.releases.samples import described
from byline.pipelines.releases.verify import verify
from byline.pipelines.rights.takedown.receipts import check_receipt, receipt_path

_LEFT = rf"({re.escape(layout.WITHDRAWN)}|{re.escape(layout.WITHDRAWN_SAMPLES)})"
_CHECKED_ELSEWHERE = re.compile(
    rf"({layout.DENYLIST}|{layout.EVALUATION}|{layout.SHARDS})/.*|{layout.RECEIPTS}/[0-9a-f]{{16}}\.json"
    rf"|{layout.RELEASES}/[^/]+/(?!.*/{_LEFT}$).*"
)
"""Files that are checked elsewhere: by their own names, by a seal under the corpus' key, and by manifests."""
Count = Callable[[int], None]


def is_corpus(url: str) -> bool:
    """Tell whether a corpus lies there."""
    return Store(url).exists(layout.CORPUS_FILE)


def paths_of(store: Store, folder: str = "") -> Iterator[str]:
    """Yield every file of a corpus, in order, but for those whose name begins with a dot."""
    stem = f"{folder}/" if folder else ""
    yield from (f"{stem}{name}" for name in store.files(folder))
    for name in store.folders(folder):
        yield from paths_of(store, f"{stem}{name}")


def verify_corpus(store: Store, unsealed: list[str], *, deep: bool, count: Count = lambda _: None) -> Iterator[str]:
    """Yield one line for everything that is wrong with a corpus: which file, what, and what makes it again.

    Every footer, name and note is checked; with `deep` every byte. `count` is told of files as they pass. Files that
    carry no digest, which an older byline wrote, are read and cannot be checked: they are added to `unsealed`.
    """
    yield from _problem_in(partial(_check_settings, store, unsealed))
    yield from _problem_in(partial(load_denylist, store))
    for path in paths_of(store):
        if not _CHECKED_ELSEWHERE.fullmatch(path):
            yield from _problem_in(partial(_check, store, path, unsealed, deep))
        count(1)
    for name in store.files(layout.PACKS, suffix=".parquet"):
        yield from _wrong_tars(store, layout.pack_file(name), deep=deep)
    yield from _wrong_shards(store)
    yield from _wrong_receipts(store, unsealed)
    yield from _wrong_evaluation_sets(store)
    for name in store.folders(layout.RELEASES):
        yield from _wrong_release(store, layout.versions_of(name), deep=deep)


def _problem_in(check: Callable[[], object]) -> Iterator[str]:
    try:
        check()
    except BylineError as error:
        yield str(error)


def _check(store: Store, path: str, unsealed: list[str], deep: bool) -> None:
    """Read a file as those do who need it. Raises a `BylineError` that names it where it is damaged."""
    kind = PurePosixPath(path).suffix
    if kind == ".parquet":
        if not store.read_footer(path).is_sealed:
            unsealed.append(path)
        if deep:
            store.read_table(path)
    elif kind == ".arrow":
        if store.read_bytes(path, start=max(0, store.size_bytes(path) - len(ARROW))) == ARROW:
            unsealed.append(path)
        if deep:
            store.read_scratch(path)
    elif path.endswith(".searched.json"):
        _check_named(store, path)
    elif kind == ".json" and not read_sealed_json(store, path)[1]:
        unsealed.append(path)


def _check_settings(store: Store, unsealed: list[str]) -> None:
    if not read_sealed_settings(store)[1]:
        unsealed.append(layout.CORPUS_FILE)


def _check_named(store: Store, path: str) -> None:
    """Check JSON that is named after its digest."""
    try:
        is_whole = path.rpartition("/")[2].startswith(digest_of(json.loads(store.read_bytes(path)))[:16])
    except (ValueError, RecursionError):
        is_whole = False
    if not is_whole:
        raise CorpusError(f"{store.url(path)} is damaged: its name is not its digest; {how_to_mend(path)}")


def _wrong_tars(store: Store, path: str, *, deep: bool) -> Iterator[str]:
    """Yield what is wrong with the tars that an index of a pack names."""
    try:
        index = store.read_table(path)
    except BylineError:
        return  # it was told
    for tar, offset, size, digest in (
        ("tar", "offset", "size", "stored_sha256"),
        ("originals", "original_offset", "original_size", "sha256"),
    ):
        for name in pc.unique(index[tar].drop_null()).to_pylist():
            rows = index.filter(pc.equal(index[tar], name)).select([offset, size, digest, "sha256"])
            members = (
                rows.rename_columns(["offset", "size", "digest", "sha256"])
                .group_by("offset")
                .aggregate([("size", "max"), ("digest", "max"), ("sha256", "max")])
            )
            where = layout.pack_file(name)
            if problem := _wrong_tar(store, where, members.sort_by("offset"), deep=deep):
                yield f"{store.url(where)}: {problem}; {how_to_mend(where)}"


def _wrong_tar(store: Store, path: str, members: pa.Table, *, deep: bool) -> str | None:
    if not store.exists(path):
        return "missing"
    sizes = members["size_max"].to_pylist()
    filled = sum(BLOCKSIZE + whole_blocks(size) for size in sizes)
    if store.size_bytes(path) != filled + len(end_of_tar(filled)):
        return "it is not as long as its index says"
    digests, stem = members["digest_max"].to_pylist(), path.removesuffix(ORIGINALS).removesuffix(".tar")
    if sha256_hex("".join(digests).encode())[:16] != stem.rsplit(".", 1)[1]:
        return "its index names other pictures than its name"
    if not deep:
        return None
    with store.open(path) as file:
        for sha256, size, digest in zip(members["sha256_max"].to_pylist(), sizes, digests, strict=True):
            if not _is_member(file, size, digest):
                return f"damaged at picture {sha256}"
        return None if file.read() == end_of_tar(filled) else "damaged at its end"


def _is_member(file: IO[bytes], size: int, digest: str) -> bool:
    """Read the next member of a tar, and tell whether it is what was written, its header and padding included."""
    block = file.read(BLOCKSIZE + whole_blocks(size))
    data, name = block[BLOCKSIZE : BLOCKSIZE + size], block[:100].rstrip(b"\0").decode(errors="replace")
    return sha256_hex(data) == digest and block == sample_bytes([(name, data)])


def _wrong_shards(store: Store) -> Iterator[str]:
    """Yield what is wrong with the shards of a corpus; their bytes are checked with the releases that list them."""
    for name in store.files(layout.SHARDS, suffix=".json"):
        stem = name.removesuffix(".json")
        if described(store, stem) is None:
            where = layout.shard_file(stem)
            yield f"{store.url(where)}.json: not what it says of its tar and table; {how_to_mend(where)}"


def _wrong_receipts(store: Store, unsealed: list[str]) -> Iterator[str]:
    """Yield what is wrong with receipts, whose seals are under the key of the corpus."""
    try:
        takedowns = receipt_ids(store)
        key = read_key(store) if takedowns else b""
    except BylineError:
        return  # it was told
    for takedown in takedowns:
        try:
            if not check_receipt(store, takedown, key):
                unsealed.append(receipt_path(takedown))
        except BylineError as error:
            yield str(error)


def _wrong_evaluation_sets(store: Store) -> Iterator[str]:
    for name in store.files(layout.EVALUATION, suffix=".parquet"):
        path = layout.evaluation_set(name.removesuffix(".parquet"))
        if sha256_hex(store.read_bytes(path)) != name.removesuffix(".parquet"):
            yield f"{store.url(path)} is damaged: its name is not its digest; {how_to_mend(path)}"


def _wrong_release(store: Store, folder: str, *, deep: bool) -> Iterator[str]:
    """Yield what is wrong with the versions of a release; of one that was withdrawn, with what is left of it."""
    if store.exists(f"{folder}/{layout.LATEST}"):
        yield from _problem_in(partial(Release, store.url(folder)))
    for version in version_folders(store, folder):
        where = f"{folder}/{version}"
        if is_withdrawn(store, where):
            yield from _problem_in(partial(read_withdrawn_manifest, store, where))
            continue
        try:
            release = Release(store.url(where))
        except BylineError as error:
            yield str(error)
            continue
        problems = verify(release) if deep else _wrong_names(release)
        yield from (f"{store.url(where)}: {problem}; {how_to_mend(where)}" for problem in problems)


def _wrong_names(release: Release) -> Iterator[str]:
    """Yield what is wrong with a release as far as names, sizes and the manifest tell."""
    if release.manifest.digest[:16] != release.version:
        yield f"manifest.json: its digest begins with {release.manifest.digest[:16]}, the version is {release.version}"
    for name in release.manifest.papers:
        if not release.store.exists(f"{release.path}/{name}"):
            yield f"{name}: missing"
    for shard in release.manifest.shards:
        yield from _wrong_size(release, shard)


def _wrong_size(release: Release, shard: Shard) -> Iterator[str]:
    path = release.shard_path(shard)
    if not release.store.exists(path) or release.store.size_bytes(path) != shard.num_bytes:
        yield f"{shard.name}: missing, or not as long as the manifest says"
