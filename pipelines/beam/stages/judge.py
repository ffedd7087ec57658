"""Judge all packs and write their verdicts. `pipelines.judging.judge` decides; plans do so without writing."""

from collections.abc import Sequence

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import PCollection

from byline.catalog.corpora.parts import PackPart
from byline.catalog.disk.storage import Store
from byline.catalog.policies.policy import Policy
from byline.catalog.progress import Meter
from byline.pipelines.facts.rows import Instruments
from byline.pipelines.judging.judge import write_verdicts
from byline.pipelines.judging.screening import NOT_ASKED, NOT_MEASURED, Screened


def judge_corpus(
    parts: list[PackPart],
    store: Store,
    policy: Policy,
    instruments: Instruments,
    denylists: Sequence[str],
    meter: Meter,
) -> list[PackPart]:
    """Write the verdicts of every pack."""
    meter.work("judge")
    with meter.at_work("judge"):
        for part in write_verdicts(parts, store, policy, instruments, denylists, _check):
            meter.add("judge", part.num_records)
    return parts


def _check(part: PackPart, screened: Screened, _: pa.Table) -> None:
    assert not any(NOT_MEASURED in reasons for reasons in screened.reasons.lists)
    if any(NOT_ASKED in reasons for reasons in screened.reasons.lists):
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
