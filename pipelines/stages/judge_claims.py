"""Decide by license and credit alone which records are worth fetching. Reads no pixels, no network."""

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import PCollection

from catalog.licenses import read_claims
from catalog.policy import Policy, license_reasons
from catalog.storage import Store
from pipelines.parts import PackPart
from pipelines.progress import Meter

CLAIM_SCHEMA = pa.schema(
    [
        ("record_id", pa.string()),
        ("license", pa.string()),
        ("license_rule", pa.string()),
        ("license_seen", pa.string()),
        ("reasons", pa.list_(pa.string())),
    ]
)


def judge_claims(records: pa.Table, policy: Policy) -> pa.Table:
    """Return, for every record in its order, the license as read and the reasons that refuse it (none: admitted)."""
    rows = []
    for record in records.select(["record_id", "license_claims", "creator"]).to_pylist():
        claims = [(claim["field"], claim["text"]) for claim in record["license_claims"]]
        reading = read_claims(claims)
        rows.append(
            {
                "record_id": record["record_id"],
                "license": reading.spdx,
                "license_rule": reading.rule,
                "license_seen": reading.seen,
                "reasons": license_reasons(reading, record["creator"], policy.license),
            }
        )
    return pa.Table.from_pylist(rows, schema=CLAIM_SCHEMA)


def claims_path(pack: str) -> str:
    """Where the claims judgement of a pack lies. Judgements are made anew by every build."""
    return f"judgements/claims/{pack}.parquet"


def judge_claims_of(part: PackPart, store: Store, policy: Policy, meter: Meter) -> PackPart:
    """Write the claims judgement of one pack."""
    with meter.pack("judge claims", part.num_records):
        store.write_table(claims_path(part.pack), judge_claims(part.read_records(store), policy))
    return part


class JudgeClaims(beam.PTransform[PCollection[PackPart], PCollection[PackPart]]):
    """PCollection[PackPart] -> the same, each with its claims judged."""

    def __init__(self, store: Store, policy: Policy, meter: Meter) -> None:
        super().__init__()
        self.arguments = (store, policy, meter)

    def expand(self, parts: PCollection[PackPart]) -> PCollection[PackPart]:
        return parts | "Judge" >> beam.Map(judge_claims_of, *self.arguments)
