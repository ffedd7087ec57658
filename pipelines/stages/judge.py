"""Judge all packs and write their verdicts. `pipelines.judging` decides; plans do so without writing."""

from collections.abc import Sequence

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import PCollection

from byline.catalog.policy import Policy
from byline.catalog.storage import Store
from byline.pipelines.judging import write_verdicts
from byline.pipelines.parts import PackPart
from byline.pipelines.progress import Meter
from byline.pipelines.rows import Instruments
from byline.pipelines.weighing import NOT_ASKED, NOT_MEASURED, Weighed


def judge_corpus(
    parts: list[PackPart],
    store: Store,
    policy: Policy,
    instruments: Instruments,
    denylists: Sequence[str],
    meter: Meter,
) -> list[PackPart]:
    """Write the verdicts of every pack."""
    for part in write_verdicts(parts, store, policy, instruments, denylists, _check):
        meter.add("judge", part.num_records)
    return parts


def _check(part: PackPart, weighed: Weighed, _: pa.Table) -> None:
    assert not any(NOT_MEASURED in reasons for reasons in weighed.reasons.lists)
    if any(NOT_ASKED in reasons for reasons in weighed.reasons.lists):
        raise AssertionError(f"{part.pack} has admitted records that were never asked for")


class Judge(beam.PTransform[PCollection[list[PackPart]], PCollection[list[PackPart]]]):
    """PCollection[list of every PackPart], one element -> the same, with all verdicts on disk."""

    def __init__(
        self, store: Store, policy: Policy, instruments: Instruments, denylists: Sequence[str], meter: Meter
    ) -> None:
        super().__init__()
        self.arguments = (store, policy, instruments, denylists, meter)

    def expand(self, everything: PCollection[list[PackPart]]) -> PCollection[list[PackPart]]:
        return everything | "Judge" >> beam.Map(judge_corpus, *self.arguments)
