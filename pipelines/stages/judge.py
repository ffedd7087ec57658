"""Judge every record: admitted, or refused with every reason. Pure; made anew by every build."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import PCollection

from catalog.packs import Outcome, read_index
from catalog.policy import (
    DuplicateRules,
    Policy,
    caption_reasons,
    image_reasons,
    is_heldout,
    license_rank,
)
from catalog.storage import Store
from dedup.keepers import Fingerprint, choose_keepers
from pipelines.measures import EDGE_SCHEMA, caption_facts, hash_facts, quality_facts, shown_sha256
from pipelines.parts import PackPart
from pipelines.progress import Meter
from pipelines.stages.find_duplicates import distinct_hashes, edges_path
from pipelines.stages.judge_claims import CLAIM_SCHEMA, claims_path

Row = dict[str, Any]
Edge = tuple[bytes, bytes, int]
"""Two distinct hashes and their distance in bits."""

VERDICT_SCHEMA = pa.schema(
    [
        ("record_id", pa.string()),
        ("pack", pa.string()),
        ("admitted", pa.bool_()),
        ("reasons", pa.list_(pa.string())),
        *(CLAIM_SCHEMA.field(name) for name in ("license", "license_rule", "license_seen")),
        ("outcome", pa.string()),
        ("sha256", pa.string()),
        ("keeper_record_id", pa.string()),
        ("keeper_sha256", pa.string()),
        ("distance_bits", pa.int32()),
        ("split", pa.string()),
        ("caption", pa.string()),
    ]
)
"""`keeper_*` and `distance_bits` name the picture that stands for this one; for a keeper they name itself, at 0."""


def judge(rows: list[Row], edges: Iterable[Edge], policy: Policy) -> list[Row]:
    """Return one verdict a record, in the order of `rows`.

    A row is what `read_rows` gives; the verdict of a record does not depend on the order of rows or edges.
    """
    verdicts = {row["record_id"]: _verdict(row, policy) for row in rows}
    candidates = [row for row in rows if not verdicts[row["record_id"]]["reasons"]]
    licensing = _one_record_an_image(candidates, verdicts, policy)
    _keep_one_of_each_cluster(licensing, verdicts, edges, policy)
    _follow_licensing_records(candidates, licensing, verdicts)
    for verdict in verdicts.values():
        verdict["admitted"] = not verdict["reasons"]
        if verdict["admitted"]:
            verdict["split"] = "heldout" if is_heldout(verdict["sha256"], policy.split) else "train"
    return list(verdicts.values())


def _verdict(row: Row, policy: Policy) -> Row:
    reasons = list(row["claim_reasons"])
    if row["outcome"] == Outcome.FETCHED:
        reasons += image_reasons(row, policy.image)
        if not reasons:  # nothing else is captioned
            reasons += caption_reasons(row["caption"], policy.caption)
    elif row["outcome"] is not None:
        reasons.append(f"fetch:{row['outcome']}")
    elif not reasons:
        raise AssertionError(f"{row['record_id']} is admitted by its claims and was never asked for")
    kept = ("record_id", "pack", "license", "license_rule", "license_seen", "outcome", "sha256")
    return {**{name: row[name] for name in kept}, "caption": row["caption"], "reasons": reasons}


def _one_record_an_image(candidates: list[Row], verdicts: dict[str, Row], policy: Policy) -> list[Row]:
    """Choose, for each image that several records offer, the one that licenses it; refuse the others."""
    by_image: dict[str, list[Row]] = defaultdict(list)
    for row in candidates:
        by_image[row["sha256"]].append(row)
    licensing = []
    for rows in by_image.values():
        first, *others = sorted(rows, key=lambda row: (license_rank(row["license"], policy.license), row["record_id"]))
        licensing.append(first)
        for other in others:
            verdicts[other["record_id"]]["reasons"].append("duplicate:same-bytes")
    return licensing


def _follow_licensing_records(candidates: list[Row], licensing: list[Row], verdicts: dict[str, Row]) -> None:
    """Name, for the other records of an image, the keeper of the one that licenses it: that one may be refused too."""
    kept = {row["sha256"]: verdicts[row["record_id"]] for row in licensing}
    for row in candidates:
        verdict = verdicts[row["record_id"]]
        for name in ("keeper_record_id", "keeper_sha256", "distance_bits"):
            verdict[name] = kept[row["sha256"]][name]


def _keep_one_of_each_cluster(
    images: list[Row], verdicts: dict[str, Row], edges: Iterable[Edge], policy: Policy
) -> None:
    """Refuse every image that is near a better one; `images` has one row for each distinct image."""
    rules = policy.duplicates
    best_first = sorted(images, key=lambda row: _keeper_order(row, policy))
    near: dict[bytes, list[tuple[bytes, int]]] = defaultdict(list)
    for a, b, distance in edges:
        if distance <= rules.radius_bits:
            near[a].append((b, distance))
            near[b].append((a, distance))
    fingerprints = [Fingerprint(code=_code(row, rules), colors=row["colors"]) for row in best_first]
    assignments = choose_keepers(
        fingerprints,
        near,
        max_luma_distance=rules.max_luma_distance,
        max_chroma_distance=rules.max_chroma_distance,
    )
    for place, (row, one) in enumerate(zip(best_first, assignments, strict=True)):
        verdict, keeper = verdicts[row["record_id"]], best_first[one.keeper]
        if one.keeper != place:
            verdict["reasons"].append("duplicate:near")
        verdict["keeper_record_id"] = keeper["record_id"]
        verdict["keeper_sha256"] = keeper["sha256"]
        verdict["distance_bits"] = one.distance_bits


def _keeper_order(row: Row, policy: Policy) -> tuple[int, int, float, str]:
    """Best first: the most wanted license, the most pixels, the sharpest, then the digest."""
    num_pixels = row["original_width"] * row["original_height"]
    return (
        license_rank(row["license"], policy.license),
        -num_pixels,
        -row["sharpness"],
        row["sha256"],
    )


def _code(row: Row, rules: DuplicateRules) -> bytes:
    """Return the hash, or for a flat picture, whose hash says nothing, a digest of its very pixels."""
    return row["pixels"].encode() if row["flatness"] >= rules.flat_from else row["phash256"]


@dataclass(frozen=True)
class CaptionSource:
    """Which captions are judged and released."""

    instrument: str
    with_pixels: bool

    def read(self, part: PackPart, store: Store, sha256_of: Mapping[str, str | None]) -> dict[str, Row]:
        """Return the caption of each record of a pack that has one; `sha256_of` names each record's image."""
        facts = caption_facts(store, self.instrument).read(part.pack).to_pylist()
        by_key = {fact["shown_sha256"]: fact for fact in facts}
        said = part.read_records(store, columns=["record_id", "title", "description", "tags"]).to_pylist()
        keys = {
            row["record_id"]: shown_sha256(
                {**row, "sha256": sha256_of.get(row["record_id"])}, with_pixels=self.with_pixels
            )
            for row in said
        }
        return {record_id: by_key[key] for record_id, key in keys.items() if key in by_key}


def read_rows(part: PackPart, store: Store, captions: CaptionSource | None) -> list[Row]:
    """Join what is known of the records of one pack: claims, index, facts, caption (if captions are made)."""
    facts: dict[str, Row] = defaultdict(dict)
    for table in (hash_facts(store), quality_facts(store)):
        for fact in table.read(part.pack).to_pylist():
            facts[fact["sha256"]] |= fact
    index = {row["record_id"]: row for row in read_index(store, part.pack).to_pylist()}
    texts = {}
    if captions is not None:
        texts = captions.read(part, store, {record_id: row["sha256"] for record_id, row in index.items()})
    rows = []
    for claim in store.read_table(claims_path(part.pack)).to_pylist():
        record_id = claim["record_id"]
        known = index.get(record_id, {"outcome": None, "sha256": None})
        row = {**known, **facts.get(known["key"], {})} if known["outcome"] else known
        claim["claim_reasons"] = claim.pop("reasons")
        caption = texts.get(record_id, {}).get("text")
        rows.append({**row, **claim, "pack": part.pack, "caption": caption})
    return rows


def verdicts_path(pack: str) -> str:
    """Where the verdicts of a pack lie before they are released."""
    return f"judgements/verdicts/{pack}.parquet"


def judge_corpus(
    parts: list[PackPart], store: Store, policy: Policy, captions: CaptionSource, meter: Meter
) -> list[PackPart]:
    """Write the verdicts of every pack."""
    with meter.pack("judge", sum(part.num_records for part in parts)):
        rows = [row for part in parts for row in read_rows(part, store, captions)]
        edges = store.read_table(edges_path(distinct_hashes(parts, store)))
        pairs = zip(*(edges[name].to_pylist() for name in EDGE_SCHEMA.names), strict=True)
        by_pack = _by_pack(judge(rows, pairs, policy))
        for part in parts:
            table = pa.Table.from_pylist(by_pack[part.pack], schema=VERDICT_SCHEMA)
            store.write_table(verdicts_path(part.pack), table.sort_by("record_id"))
    return parts


def _by_pack(verdicts: Iterable[Row]) -> dict[str, list[Row]]:
    by_pack: dict[str, list[Row]] = defaultdict(list)
    for verdict in verdicts:
        by_pack[verdict["pack"]].append(verdict)
    return by_pack


class Judge(beam.PTransform[PCollection[list[PackPart]], PCollection[list[PackPart]]]):
    """PCollection[list of every PackPart], one element -> the same, with all verdicts on disk."""

    def __init__(self, store: Store, policy: Policy, captions: CaptionSource, meter: Meter) -> None:
        super().__init__()
        self.arguments = (store, policy, captions, meter)

    def expand(self, everything: PCollection[list[PackPart]]) -> PCollection[list[PackPart]]:
        return everything | "Judge" >> beam.Map(judge_corpus, *self.arguments)
