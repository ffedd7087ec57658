"""Judge all packs and write their verdicts. `pipelines.judging` decides; plans do so without writing."""

from collections.abc import Sequence

import apache_beam as beam
from apache_beam.pvalue import PCollection

from catalog.policy import Policy
from catalog.storage import Store
from pipelines.judging import judge_parts, verdicts_path
from pipelines.parts import PackPart
from pipelines.progress import Meter
from pipelines.rows import Instruments
from pipelines.weighing import NOT_ASKED


def judge_corpus(
    parts: list[PackPart],
    store: Store,
    policy: Policy,
    instruments: Instruments,
    denylists: Sequence[str],
    meter: Meter,
) -> list[PackPart]:
    """Write the verdicts of every pack."""
    judged = judge_parts(parts, store, policy, instruments, denylists, keep=True)
    for part, (weighed, verdicts) in zip(parts, judged, strict=True):
        with meter.pack("judge", part.num_records):
            if any(NOT_ASKED in reasons for reasons in weighed.reasons.lists):
                raise AssertionError(f"{part.pack} has admitted records that were never asked for")
            store.write_table(verdicts_path(part.pack), verdicts)
    return parts


class Judge(beam.PTransform[PCollection[list[PackPart]], PCollection[list[PackPart]]]):
    """PCollection[list of every PackPart], one element -> the same, with all verdicts on disk."""

    def __init__(
        self, store: Store, policy: Policy, instruments: Instruments, denylists: Sequence[str], meter: Meter
    ) -> None:
        super().__init__()
        self.arguments = (store, policy, instruments, denylists, meter)

    def expand(self, everything: PCollection[list[PackPart]]) -> PCollection[list[PackPart]]:
        return everything | "Judge" >> beam.Map(judge_corpus, *self.arguments)
