"""Decide by license and credit alone which records are worth fetching. Reads no pixels, no network."""

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import PCollection

from byline.catalog.corpora.parts import PackPart
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.catalog.policies.policy import Policy, RecordRules
from byline.catalog.progress import Meter
from byline.pipelines.facts.rows import LACKS_COLUMNS, lacks
from byline.pipelines.judging.screening import screen_claims

CLAIM_SCHEMA = pa.schema([("record_id", pa.string()), ("reasons", pa.list_(pa.string()))])


def judge_claims(records: pa.Table, rules: RecordRules) -> pa.Table:
    """Return, for every record in its order, the reasons that refuse its claims; none: it is worth fetching."""
    claims = screen_claims(records.append_column("lacks", pa.array(lacks(records))), rules)
    return pa.table({"record_id": records["record_id"], "reasons": claims.reasons.column()}, schema=CLAIM_SCHEMA)


def claims_path(pack: str) -> str:
    """Where the claims judgement of a pack lies. Judgements are made anew by every build."""
    return layout.claims(pack)


def judge_claims_of(part: PackPart, store: Store, policy: Policy, meter: Meter) -> PackPart:
    """Write the claims judgement of one pack."""
    meter.work("judge claims")
    with meter.pack("judge claims", part.num_records):
        records = part.read_stated(store, ["record_id", "license_claims", *LACKS_COLUMNS])
        store.write_table(claims_path(part.pack), judge_claims(records, policy.rules_of(part.source)))
    return part


class JudgeClaims(beam.PTransform[PCollection[PackPart], PCollection[PackPart]]):
    """PCollection[PackPart] -> the same, each with its claims judged."""

    def __init__(self, store: Store, policy: Policy, meter: Meter) -> None:
        super().__init__()
        self.arguments = (store, policy, meter)

    def expand(self, parts: PCollection[PackPart]) -> PCollection[PackPart]:
        return parts | "Judge" >> beam.Map(judge_claims_of, *self.arguments)
