"""Publish a release: the manifest, the verdicts, the credits and the checksums of everything. Complete or absent."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import AsSingleton, PCollection
from apache_beam.transforms.combiners import ToList

from catalog.digests import canonical_json, digest_of, sha256_hex
from catalog.errors import CorpusError
from catalog.manifest import SPLITS, Manifest, Shard, checksums, manifest_bytes, shard_list
from catalog.policy import Policy
from catalog.storage import Store, parquet_bytes
from pipelines.papers import credits_page, credits_table
from pipelines.parts import PackPart
from pipelines.stages.judge import VERDICT_SCHEMA, verdicts_path

Row = dict[str, Any]


def make_manifest(
    name: str, verdicts: pa.Table, shards: Iterable[Shard], policy: Policy, **rest: dict[str, str]
) -> Manifest:
    """Count the verdicts and list the shards."""
    rows = verdicts.to_pylist()
    reasons = Counter(reason for row in rows for reason in row["reasons"])
    admitted = [row for row in rows if row["admitted"]]
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
        shards=tuple(sorted(shards, key=lambda shard: shard.name)),
        counts=counts,
        reasons=dict(sorted(reasons.items())),
        licenses=dict(sorted(Counter(row["license"] for row in admitted).items())),
        **rest,
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
    """Write `releases/<name>/<version>`, point LATEST at it, and return the version: 16 digits of the digest.

    The manifest, which has the digests of all the rest, comes last: without it there is no release. A file that is
    there with the same bytes is left alone. Raises `CorpusError` when nothing was admitted.
    """
    tables = {part.pack: store.read_table(verdicts_path(part.pack)) for part in parts}
    verdicts = pa.concat_tables([VERDICT_SCHEMA.empty_table(), *tables.values()])
    _refuse_empty(name, verdicts)
    credits = credits_table(*_credited(verdicts, parts, store), changes=changes)
    papers = {
        "policy.json": canonical_json(policy.model_dump(mode="json")) + b"\n",
        "credits.parquet": parquet_bytes(credits),
        "credits.html": credits_page(name, credits).encode(),
        **{f"shards-{split}.txt": shard_list(shards, split) for split in SPLITS},
        **{f"verdicts/{pack}.parquet": parquet_bytes(table) for pack, table in tables.items()},
    }
    manifest = make_manifest(
        name,
        verdicts,
        shards,
        policy,
        instruments=instruments,
        records={part.pack.rsplit("-", 1)[0]: part.records_path for part in parts},
        papers={path: sha256_hex(data) for path, data in sorted(papers.items())},
    )
    papers["SHA256SUMS"] = checksums(manifest)
    papers["manifest.json"] = manifest_bytes(manifest)
    version = manifest.digest[:16]
    for path, data in papers.items():
        place = f"releases/{name}/{version}/{path}"
        if not (store.exists(place) and store.read_bytes(place) == data):
            store.write_bytes(place, data)
    store.write_bytes(f"releases/{name}/LATEST", f"{version}\n".encode())
    return version


def _refuse_empty(name: str, verdicts: pa.Table) -> None:
    rows = verdicts.to_pylist()
    if not any(row["admitted"] for row in rows):
        reasons = Counter(reason for row in rows for reason in row["reasons"])
        most = "; ".join(f"{reason} ({count})" for reason, count in reasons.most_common(3))
        raise CorpusError(
            f"release {name} would be empty: {len(rows)} records, none admitted; {most or 'the sources are empty'}"
        )


def _credited(verdicts: pa.Table, parts: list[PackPart], store: Store) -> tuple[list[Row], dict[str, Row]]:
    """Return the verdicts of the admitted records and those records by id."""
    admitted = [row for row in verdicts.to_pylist() if row["admitted"]]
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
