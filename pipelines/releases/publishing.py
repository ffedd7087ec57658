"""Publish a release: the manifest, the verdicts, the papers and the checksums of everything. Complete or absent."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel

from byline.catalog.corpora.manifest import (
    SPLITS,
    Manifest,
    Shard,
    checksums,
    manifest_bytes,
    read_shard_table,
    shard_list,
)
from byline.catalog.corpora.packs import Outcome
from byline.catalog.corpora.parts import PackPart
from byline.catalog.corpora.sample_schema import NOT_STATED
from byline.catalog.digests import canonical_json, digest_of, sha256_hex
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store, parquet_bytes
from byline.catalog.errors import CorpusError
from byline.catalog.licenses.reading import family
from byline.catalog.nothing import is_no_page, is_nowhere, stated
from byline.catalog.policies.policy import Policy, obligations_of
from byline.pipelines.facts.measures import thumbnail_facts
from byline.pipelines.facts.rows import Instruments
from byline.pipelines.judging.verdicts import VERDICT_SCHEMA, verdicts_path
from byline.pipelines.releases.memorization import memorization_risk
from byline.pipelines.releases.papers import CREDIT_SCHEMA, lacking_credits, write_papers
from byline.pipelines.releases.papers.account import Account, Publication, SourceAccount, Tool
from byline.pipelines.releases.papers.credits_page import shown_creators

SETTINGS_FILE = layout.SETTINGS_FILE
CLUSTER_COLUMNS = [
    *("record_id", "sha256", "license", "keeper_record_id", "keeper_sha256"),
    *("distance_bits", "view", "cosine", "reasons"),
]
CREDITED = pa.schema([(name, pa.string()) for name in ("title", "creator", "creator_url", "landing_url", "url")])
"""What the ledger says of a copy beside its verdict: whose it is, and where."""


class Settings(BaseModel, frozen=True, extra="forbid"):
    """What a release was made with, beside its policy. It is kept with the release, so that it can be made again."""

    name: str
    instruments: Instruments
    measured: dict[str, str]
    """Measure -> the instrument whose facts were judged."""
    readers: dict[str, str]
    """Source -> what read it."""
    captioner: dict[str, str]
    """`model`, `revision`, `prompt`, `decoding`."""
    tools: tuple[Tool, ...]
    changes: str
    """What was done to the pictures."""
    publication: Publication = Publication()


def publish(shards: list[Shard], parts: list[PackPart], store: Store, policy: Policy, settings: Settings) -> str:
    """Write `releases/<name>/<version>`, point LATEST at it, and return the version: 16 digits of the digest.

    The manifest, which has the digests of all the rest, comes last: without it there is no release. A file that is
    there with the same bytes is left alone. Raises `CorpusError` when nothing was admitted, or when a credit lacks what
    the policy requires.
    """
    shards = sorted(shards, key=lambda shard: shard.name)
    tables = {part.pack: store.read_scratch(verdicts_path(part.pack)).cast(VERDICT_SCHEMA) for part in sorted(parts)}
    counted = _Counted(tables.values())
    if not counted.counts["admitted"]:
        raise CorpusError(counted.why_empty(settings.name))
    credits = credits_of(shards, store, settings.changes)
    if lacking := lacking_credits(credits, policy):
        raise CorpusError(f"{len(lacking):,} credits lack what the policy requires: {lacking[0]}")
    manifest = Manifest(
        name=settings.name,
        policy_digest=digest_of(policy),
        instruments=settings.measured,
        shards=tuple(shards),
        counts=counted.counts,
        reasons=counted.reasons,
        licenses=counted.licenses,
        records={part.source: part.records_path for part in sorted(parts)},
        papers={},
    )
    clusters = clusters_of(tables, parts, store)
    account = Account(
        manifest=manifest,
        credits=credits,
        thumbnails=_thumbnails(credits, shards, store),
        sources=tuple(_sources(parts, tables, store, settings)),
        memorization=memorization_risk(shards, parts, tables, clusters, store, policy, settings.instruments),
        tools=settings.tools,
        obligations=tuple(sorted({asked for spdx in counted.licenses for asked in obligations_of(family(spdx))})),
        policy=policy.model_dump(mode="json"),
        captioner=settings.captioner,
        changes=settings.changes,
        publication=settings.publication,
    )
    papers = {
        layout.POLICY: canonical_json(policy.model_dump(mode="json")) + b"\n",
        SETTINGS_FILE: canonical_json(settings.model_dump(mode="json")) + b"\n",
        layout.CLUSTERS: parquet_bytes(clusters),
        "credits.parquet": parquet_bytes(credits),
        **{f"shards-{split}.txt": shard_list(shards, split) for split in SPLITS},
        **{layout.verdicts(pack): parquet_bytes(table) for pack, table in tables.items()},
        **write_papers(account),
    }
    manifest = manifest.model_copy(update={"papers": {path: sha256_hex(papers[path]) for path in sorted(papers)}})
    papers[layout.SUMS] = checksums(manifest)
    papers[layout.MANIFEST] = manifest_bytes(manifest)
    version = manifest.digest[:16]
    for path, data in papers.items():
        paper_path = f"{layout.release(settings.name, version)}/{path}"
        if not (store.exists(paper_path) and store.read_bytes(paper_path) == data):
            store.write_bytes(paper_path, data)
    store.write_bytes(layout.latest(settings.name), f"{version}\n".encode())
    return version


class _Counted:
    """What the verdicts come to."""

    def __init__(self, tables: Iterable[pa.Table]) -> None:
        total: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        licenses: Counter[str] = Counter()
        pictures = pa.chunked_array([[]], pa.string())
        for table in tables:
            admitted = table.filter(table["admitted"])
            total["records"] += len(table)
            total["admitted"] += len(admitted)
            total["duplicates"] += _num_duplicates(table)
            reasons += _times(pc.list_flatten(table["reasons"]))
            licenses += _times(admitted["license"])
            for split in SPLITS:
                total[split] += pc.sum(pc.equal(admitted["split"], split)).as_py() or 0
            fetched = table["sha256"].filter(pc.fill_null(pc.equal(table["outcome"], str(Outcome.FETCHED)), False))
            pictures = pa.chunked_array([*pictures.chunks, *fetched.chunks], pa.string())
        total["images"] = pc.count_distinct(pictures).as_py()
        total["refused"] = total["records"] - total["admitted"]
        names = ("records", "images", "admitted", "refused", "duplicates", *SPLITS)
        self.counts = {name: total[name] for name in names}
        self.reasons, self.licenses = dict(sorted(reasons.items())), dict(sorted(licenses.items()))

    def why_empty(self, name: str) -> str:
        most = "; ".join(f"{reason} ({count:,})" for reason, count in Counter(self.reasons).most_common(3))
        records = self.counts["records"]
        return f"release {name} would be empty: {records:,} records, none admitted; {most or 'the sources are empty'}"


def _times(column: pa.ChunkedArray) -> Counter[str]:
    return Counter({row["values"]: row["counts"] for row in pc.value_counts(column).to_pylist()})


def _num_duplicates(table: pa.Table) -> int:
    values, rows = pc.list_flatten(table["reasons"]), pc.list_parent_indices(table["reasons"])
    return len(pc.unique(rows.filter(pc.starts_with(values, "duplicate:"))))


def clusters_of(tables: Mapping[str, pa.Table], parts: Iterable[PackPart], store: Store) -> pa.Table:
    """Return every record that another one stands for, by that one: the ledger of copies, with whose they are."""
    schema = pa.schema([*(VERDICT_SCHEMA.field(name) for name in CLUSTER_COLUMNS), *CREDITED])
    copy_tables = [schema.empty_table()]
    for part in sorted(parts):
        is_copy = pc.is_valid(tables[part.pack]["keeper_record_id"])
        if not pc.any(is_copy).as_py():
            continue
        copies, records = tables[part.pack].filter(is_copy), part.read_stated(store, CREDITED.names).filter(is_copy)
        columns = {
            **{name: copies[name] for name in CLUSTER_COLUMNS},
            **{name: records[name] for name in CREDITED.names},
        }
        copy_tables.append(pa.table(columns).cast(schema))
    keys = [("keeper_sha256", "ascending"), ("distance_bits", "ascending"), ("cosine", "descending")]
    return pa.concat_tables(copy_tables).sort_by([*keys, ("record_id", "ascending")])


def credits_of(shards: Iterable[Shard], store: Store, changes: str) -> pa.Table:
    """Return one credit for each sample, sorted by creator, title and digest."""
    columns = ["sha256", "record_id", "title", "creator", "creator_url", "landing_url", "url", "license", "license_url"]
    credits = [CREDIT_SCHEMA.empty_table()]
    for shard in shards:
        table = read_shard_table(store, shard.name, [*columns, "split"])
        credited: dict[str, Any] = {name: _null_for_empty(table[name]) for name in table.column_names}
        credited["source_url"] = pc.coalesce(
            stated(credited["landing_url"], is_no_page), stated(credited["url"], is_nowhere)
        )
        credited |= {
            name: pa.array([value] * len(table)) for name, value in (("changes", changes), ("shard", shard.name))
        }
        credits.append(pa.table({name: credited[name] for name in CREDIT_SCHEMA.names}, schema=CREDIT_SCHEMA))
    return pa.concat_tables(credits).sort_by([(name, "ascending") for name in ("creator", "title", "sha256")])


def _null_for_empty(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return what a sample says as a table does, whose columns have types without it: nothing is null."""
    return pc.if_else(pc.equal(text, NOT_STATED), None, text)


def _thumbnails(credits: pa.Table, shards: Iterable[Shard], store: Store) -> Mapping[str, bytes]:
    """Return the thumbnails of as many pictures as the page of credits can show."""
    packs = {shard.name: shard.pack for shard in shards}
    shown: dict[str, list[str]] = {}
    for _, _, rows in shown_creators(credits):
        for row in rows:
            shown.setdefault(packs[row["shard"]], []).append(row["sha256"])
    thumbnails: dict[str, bytes] = {}
    for pack, sha256s in sorted(shown.items()):
        facts = thumbnail_facts(store).read(pack)
        chosen = facts.filter(pc.is_in(facts["sha256"], pa.array(sha256s)))
        thumbnails |= dict(zip(chosen["sha256"].to_pylist(), chosen["jpeg"].to_pylist(), strict=True))
    return thumbnails


def _sources(
    parts: Iterable[PackPart], tables: Mapping[str, pa.Table], store: Store, settings: Settings
) -> Iterator[SourceAccount]:
    by_source: dict[str, list[PackPart]] = {}
    for part in sorted(parts):
        by_source.setdefault(part.source, []).append(part)
    for source, its_parts in by_source.items():
        domains: Counter[str] = Counter()
        times: list[str] = []
        for part in its_parts:
            records = part.read_records(store, ["url", "retrieved_at"])
            span = pc.min_max(records["retrieved_at"]).as_py()
            times += [when for when in span.values() if when]
            urls = records["url"].filter(tables[part.pack]["admitted"])
            hosts = pc.struct_field(pc.extract_regex(urls, r"^[a-zA-Z]+://(?:[^/@]*@)?(?P<host>[^/:?#]+)"), "host")
            domains += _times(pc.utf8_lower(pc.drop_null(hosts)))
        yield SourceAccount(
            name=source,
            reader=settings.readers[source],
            num_records=sum(part.num_records for part in its_parts),
            num_admitted=sum(int(np.sum(tables[part.pack]["admitted"].to_numpy())) for part in its_parts),
            first_retrieved_at=min(times, default=None),
            last_retrieved_at=max(times, default=None),
            domains=dict(sorted(domains.items())),
        )
