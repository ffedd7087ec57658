"""Re-check a release from its bytes: nothing is believed that can be computed again."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
from pydantic import ValidationError
from xxhash import xxh3_64_intdigest

from byline.catalog.corpora.manifest import (
    EXPORT,
    SPLITS,
    Format,
    Release,
    Shard,
    checksums,
    rows_path,
    shard_list,
    shard_table_path,
)
from byline.catalog.corpora.sample_schema import NOT_STATED
from byline.catalog.digests import sha256_hex, sha256_of_file
from byline.catalog.disk import layout
from byline.catalog.errors import BylineError, StorageError
from byline.catalog.json_text import parse_json
from byline.catalog.policies.policy import Policy
from byline.pipelines.releases.exporting.places import exported_checksums, from_export, is_exported, is_placed
from byline.pipelines.releases.papers.credits import lacking_credits

_TODAY = ", as words for nothing are read today; byline build CONFIG makes a release by them"
"""What may be wrong with a credit that an older byline was content with, and what to do."""


def verify(release: Release, count: Callable[[int], None] = lambda _: None) -> Iterator[str]:
    """Yield one line for everything that is wrong with a release; nothing when it is whole.

    The version commits to the manifest, and the manifest to every other byte. Beyond the bytes: every sample against
    its own digests, the verdicts against the samples, the credits against both, and the manifest's counts. `count` is
    told of samples as they pass.
    """
    if release.manifest.digest[:16] != release.version:
        yield f"manifest.json: its digest begins with {release.manifest.digest[:16]}, the version is {release.version}"
    yield from _wrong_papers(release)
    shipped: dict[str, dict[str, Any]] = {}
    for shard in release.manifest.shards:
        yield from _wrong_shard(release, shard, shipped, count)
    try:
        verdicts = _verdicts(release)
        credits = release.store.read_table(f"{release.path}/credits.parquet")
        policy = Policy.model_validate_json(release.store.read_bytes(f"{release.path}/{layout.POLICY}"))
    except (StorageError, pa.ArrowException) as error:
        yield str(error)
        return
    except ValidationError as error:
        yield f"policy.json: cannot be read: {error.errors()[0]['msg']}"
        return
    admitted = {row["sha256"]: row for row in verdicts if row["admitted"]}
    yield from _wrong_verdicts(admitted, shipped)
    yield from (f"credits.parquet: {line}{_TODAY}" for line in lacking_credits(credits, policy))
    yield from _wrong_credits({row["sha256"]: row for row in credits.to_pylist()}, shipped)
    yield from _wrong_counts(release, verdicts)


def _wrong_papers(release: Release) -> Iterator[str]:
    store, path, manifest, format = release.store, release.path, release.manifest, _format(release)
    expected = {**manifest.papers, layout.SUMS: sha256_hex(_checksums(release))}
    expected |= {f"shards-{split}.txt": sha256_hex(shard_list(manifest.shards, split)) for split in SPLITS}
    expected = {name: digest for name, digest in expected.items() if is_exported(name, format)}
    for name, digest in sorted(expected.items()):
        if not store.exists(f"{path}/{name}"):
            yield f"{name}: missing; {_again(release)}"
        elif sha256_hex(_as_in_corpus(release, name)) != digest:
            yield f"{name}: its bytes are not those that the manifest lists"
    folders, own = [layout.VERDICTS], {layout.MANIFEST}
    if release.export is not None:
        folders += [layout.SHARDS] if format == "webdataset" else ["data", *(f"data/{split}" for split in SPLITS)]
        own |= {EXPORT, *_sample_files(release)}
    there = set(store.files(path)) | {
        f"{folder}/{name}" for folder in folders for name in store.files(f"{path}/{folder}")
    }
    if release.export is not None:
        there = {name for name in there if not name.startswith(".")}  # what tools of hubs keep beside a data set
    for name in sorted(there - set(expected) - own):
        yield f"{name}: not listed in the manifest"


def _format(release: Release) -> Format:
    return "webdataset" if release.export is None else release.export.format


def _sample_files(release: Release) -> set[str]:
    """Return the files of an export that have its samples, as paths in its folder."""
    shards = release.manifest.shards
    if release.has_rows:
        return {rows_path(shard) for shard in shards}
    return {name for shard in shards for name in (layout.shard_file(shard.name), shard_table_path(shard.name))}


def _checksums(release: Release) -> bytes:
    if release.export is None:
        return checksums(release.manifest)
    there = [name for name in release.manifest.papers if release.store.exists(f"{release.path}/{name}")]
    papers = {
        name: release.store.read_bytes(f"{release.path}/{name}")
        for name in there
        if is_placed(name, release.export.format)
    }
    return exported_checksums(release.manifest, papers, _listed_rows(release) if release.has_rows else None)


def _listed_rows(release: Release) -> dict[str, str]:
    """Return the digests of Parquet files by SHA256SUMS, which alone has them: they differ between pyarrows."""
    path = f"{release.path}/{layout.SUMS}"
    lines = release.store.read_bytes(path).decode(errors="replace").splitlines() if release.store.exists(path) else []
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    return {rows_path(shard): listed.get(rows_path(shard), "") for shard in release.manifest.shards}


def _as_in_corpus(release: Release, name: str) -> bytes:
    data = release.store.read_bytes(f"{release.path}/{name}")
    return data if release.export is None else from_export(name, data, release.export.format)


def _again(release: Release) -> str:
    return "build the release again" if release.export is None else "export the release again"


def _verdicts(release: Release) -> list[dict[str, Any]]:
    names = [name for name in release.manifest.papers if name.startswith(f"{layout.VERDICTS}/")]
    tables = [release.store.read_table(f"{release.path}/{name}") for name in names]
    return pa.concat_tables(tables).to_pylist() if tables else []


def _wrong_shard(
    release: Release, shard: Shard, shipped: dict[str, dict[str, Any]], count: Callable[[int], None]
) -> Iterator[str]:
    if not release.store.exists(release.shard_path(shard)):
        yield f"{rows_path(shard) if release.has_rows else shard.name}: missing; {_again(release)}"
        return
    if release.has_rows and _sha256_at(release, shard) != _listed_rows(release)[rows_path(shard)]:
        yield f"{rows_path(shard)}: its bytes are not those that {layout.SUMS} lists"
    try:
        tar = release.read_shard(shard)
    except BylineError as error:
        yield str(error)
        return
    if sha256_hex(tar) != shard.sha256:
        what = "samples" if release.has_rows else "bytes"
        yield f"{shard.name}: its {what} are not those that the manifest lists"
    keys = []
    try:
        for sample in release.samples(shard, tar):
            key = sample["__key__"].decode()
            keys.append(key)
            yield from (f"{shard.name}: sample {key}: {problem}" for problem in _wrong_sample(key, sample))
            if key in shipped:
                yield f"{shard.name}: sample {key}: shipped twice"
            shipped[key] = {"split": shard.split, **_json_of(sample)}
            count(1)
    except BylineError as error:
        yield str(error)
    if keys != sorted(keys):
        yield f"{shard.name}: samples are not in key order"
    if not release.has_rows:
        yield from _wrong_table(release, shard, tar, {key: shipped[key] for key in keys})
    if len(keys) != shard.num_samples:
        yield f"{shard.name}: {len(keys)} samples; the manifest says {shard.num_samples}"


def _sha256_at(release: Release, shard: Shard) -> str:
    with release.store.open(release.shard_path(shard)) as file:
        return sha256_of_file(file)


def _wrong_table(release: Release, shard: Shard, tar: bytes, samples: dict[str, dict[str, Any]]) -> Iterator[str]:
    name, path = shard_table_path(shard.name), release.table_path(shard)
    if not release.store.exists(path):
        yield f"{name}: missing; {_again(release)}"
        return
    if sha256_hex(release.store.read_bytes(path)) != shard.table_sha256:
        yield f"{name}: its bytes are not those that the manifest lists"
        return
    rows = {row["key"]: row for row in release.store.read_table(path).to_pylist()}
    for key in sorted(set(rows) ^ set(samples)):
        yield f"{name}: {key} is in {'the table' if key in rows else 'the tar'} only"
    for key in sorted(set(rows) & set(samples)):
        offset, size, xxh3 = (rows[key].pop(name) for name in ("offset", "size", "xxh3"))
        if rows[key] != samples[key]:
            yield f"{name}: {key}: its row is not what the sample's JSON says"
        lies = tar[offset : offset + size]
        if not lies.startswith(f"{key}.jpg".encode()) or xxh3_64_intdigest(lies) != xxh3:
            yield f"{name}: {key}: its bytes are not where, or not what, the table says"


def _json_of(sample: dict[str, bytes]) -> dict[str, Any]:
    try:
        return dict(parse_json(sample["json"]))
    except (KeyError, ValueError):
        return {}


def _wrong_sample(key: str, sample: dict[str, bytes]) -> Iterator[str]:
    missing = {"jpg", "json", "txt"} - set(sample)
    metadata = _json_of(sample)
    if missing or not metadata:
        yield f"no readable {', '.join(sorted(missing)) or 'json'}"
        return
    if metadata.get("sha256") != key:
        yield f"its json speaks of {metadata.get('sha256')}"
    if metadata.get("stored_sha256") != sha256_hex(sample["jpg"]):
        yield "the picture's bytes are not those that were stored"
    if metadata.get("caption") != sample["txt"].decode(errors="replace"):
        yield "the caption differs between txt and json"


def _wrong_verdicts(admitted: dict[str, Any], shipped: dict[str, Any]) -> Iterator[str]:
    for key in sorted(set(admitted) - set(shipped)):
        yield f"verdicts: {key} is admitted and in no shard"
    for key in sorted(set(shipped) - set(admitted)):
        yield f"verdicts: {key} is in a shard and not admitted"
    for key in sorted(set(shipped) & set(admitted)):
        for name in ("license", "record_id", "split"):
            if shipped[key].get(name) != admitted[key][name]:
                yield f"verdicts: {key}: {name} is {admitted[key][name]}, the shard says {shipped[key].get(name)}"


def _wrong_credits(credits: dict[str, Any], shipped: dict[str, Any]) -> Iterator[str]:
    for key in sorted(set(shipped) ^ set(credits)):
        yield f"credits.parquet: {key} is {'credited and not shipped' if key in credits else 'not credited'}"
    for key in sorted(set(shipped) & set(credits)):
        credit = credits[key]
        for name in ("record_id", "title", "creator", "license", "license_url"):
            if (credit[name] or NOT_STATED) != (shipped[key].get(name) or NOT_STATED):
                yield f"credits.parquet: {key}: {name} is {credit[name]}, the shard says {shipped[key].get(name)}"


def _wrong_counts(release: Release, verdicts: list[dict[str, Any]]) -> Iterator[str]:
    splits = Counter(row["split"] for row in verdicts if row["admitted"])
    counted = [("records", len(verdicts)), ("admitted", splits.total())]
    for name, number in [*counted, *((split, splits[split]) for split in SPLITS)]:
        if release.manifest.counts.get(name) != number:
            yield f"manifest.json: counts {release.manifest.counts.get(name)} {name}; the verdicts have {number}"
    admitted = Counter(row["license"] for row in verdicts if row["admitted"])
    reasons = Counter(reason for row in verdicts for reason in row["reasons"])
    if release.manifest.licenses != admitted or release.manifest.reasons != reasons:
        yield "manifest.json: its licenses or reasons are not those of the verdicts"
