"""Publish a release: the manifest, the verdicts, the credits and the checksums of everything. Complete or absent."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import AsSingleton, PCollection
from apache_beam.transforms.combiners import ToList

from catalog.digests import digest_of, sha256_hex
from catalog.errors import CorpusError
from catalog.manifest import SPLITS, Manifest, Shard, manifest_bytes
from catalog.policy import Policy
from catalog.storage import Store
from pipelines.papers import credits_page, credits_table
from pipelines.parts import PackPart
from pipelines.stages.judge import VERDICT_SCHEMA, verdicts_path

Row = dict[str, Any]


def make_manifest(
    name: str,
    verdicts: pa.Table,
    shards: Iterable[Shard],
    policy: Policy,
    instruments: dict[str, str],
) -> Manifest:
    """Count the verdicts and list the shards. Raises `CorpusError` when nothing was admitted."""
    rows = verdicts.to_pylist()
    reasons = Counter(reason for row in rows for reason in row["reasons"])
    admitted = [row for row in rows if row["admitted"]]
    if not admitted:
        most = "; ".join(f"{reason} ({count})" for reason, count in reasons.most_common(3))
        raise CorpusError(
            f"release {name} would be empty: {len(rows)} records, none admitted; {most or 'the sources are empty'}"
        )
    duplicates = sum(any(r.startswith("duplicate:") for r in row["reasons"]) for row in rows)
    splits: dict[str, int] = {split: sum(row["split"] == split for row in admitted) for split in SPLITS}
    counts = {
        "records": len(rows),
        "images": len({row["sha256"] for row in rows if row["outcome"] == "fetched"}),
        "admitted": len(admitted),
        "refused": len(rows) - len(admitted),
        "duplicates": duplicates,
        **splits,
    }
    return Manifest(
        name=name,
        policy_digest=digest_of(policy),
        instruments=instruments,
        shards=tuple(sorted(shards, key=lambda shard: shard.name)),
        counts=counts,
        reasons=dict(sorted(reasons.items())),
        licenses=dict(sorted(Counter(row["license"] for row in admitted).items())),
    )


def publish(
    shards: list[Shard],
    parts: list[PackPart],
    store: Store,
    name: str,
    policy: Policy,
    instruments: dict[str, str],
    changes: str,
) -> str:
    """Write `releases/<name>/<version>`, point LATEST at it, and return the version: 16 digits of the digest."""
    tables = {part.pack: store.read_table(verdicts_path(part.pack)) for part in parts}
    manifest = make_manifest(
        name, pa.concat_tables([VERDICT_SCHEMA.empty_table(), *tables.values()]), shards, policy, instruments
    )
    version = manifest.digest[:16]
    folder = f"releases/{name}/{version}"
    files: dict[str, bytes] = {"manifest.json": manifest_bytes(manifest)}
    for split in SPLITS:
        lines = [f"../../../shards/{s.name}\n" for s in manifest.shards if s.split == split]
        files[f"shards-{split}.txt"] = "".join(lines).encode()
    credits = credits_table(*_credited(tables, parts, store), changes=changes)
    files["credits.html"] = credits_page(name, credits).encode()
    for path, data in files.items():
        store.write_bytes(f"{folder}/{path}", data)
    written = dict(files)
    for path, table in {
        "credits.parquet": credits,
        **{f"verdicts/{pack}.parquet": table for pack, table in tables.items()},
    }.items():
        store.write_table(f"{folder}/{path}", table)
        written[path] = store.read_bytes(f"{folder}/{path}")
    sums = {path: sha256_hex(data) for path, data in written.items()}
    sums |= {f"../../../shards/{shard.name}": shard.sha256 for shard in manifest.shards}
    lines = [f"{digest}  {path}\n" for path, digest in sorted(sums.items())]
    store.write_bytes(f"{folder}/SHA256SUMS", "".join(lines).encode())
    store.write_bytes(f"releases/{name}/LATEST", f"{version}\n".encode())
    return version


def _credited(tables: dict[str, pa.Table], parts: list[PackPart], store: Store) -> tuple[list[Row], dict[str, Row]]:
    """Return the verdicts of the admitted records and those records by id."""
    admitted = [row for table in tables.values() for row in table.to_pylist() if row["admitted"]]
    wanted = {row["record_id"] for row in admitted}
    rows = (row for part in parts for row in part.read_records(store).to_pylist())
    return admitted, {row["record_id"]: row for row in rows if row["record_id"] in wanted}


class Publish(beam.PTransform[PCollection[Shard], PCollection[str]]):
    """PCollection[Shard] -> PCollection[str], one element: the version of the release."""

    def __init__(self, everything: PCollection[list[PackPart]], **arguments: Any) -> None:
        super().__init__()
        self.everything, self.arguments = everything, arguments

    def expand(self, shards: PCollection[Shard]) -> PCollection[str]:
        parts = AsSingleton(self.everything)
        return shards | "Collect" >> ToList() | "Publish" >> beam.Map(publish, parts, **self.arguments)
