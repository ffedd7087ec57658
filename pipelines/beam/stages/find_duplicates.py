"""Find all pairs of similar pictures in the corpus. A pair is a fact; who stays is judged later."""

from collections.abc import Iterator

import apache_beam as beam
from apache_beam.pvalue import AsList, PCollection

from byline.catalog.corpora.parts import PackPart
from byline.catalog.disk.storage import Store
from byline.catalog.progress import Meter
from byline.pipelines.facts.edge_search import DIVIDED_FROM, SearchTask, finish_search, run_task, search_tasks
from byline.pipelines.facts.edges import is_searched
from byline.pipelines.facts.similar_search import is_compared, write_similar


def divide(
    parts: list[PackPart], store: Store, embedding: str | None, divided_from: int, meter: Meter
) -> Iterator[SearchTask]:
    """Write the pairs of the whole corpus, unless these very pictures were searched before, or yield parts of that."""
    if not (is_searched(store, parts) and is_compared(store, parts, embedding)):
        meter.work("find duplicates")
    with meter.pack("find duplicates", sum(part.num_records for part in parts)):
        write_similar(store, parts, embedding)
        yield from search_tasks(store, parts, divided_from)


def search(task: SearchTask, store: Store, meter: Meter) -> SearchTask:
    """Do one part of a search."""
    with meter.at_work("find duplicates"):
        return run_task(store, task)


def finish(parts: list[PackPart], tasks: list[SearchTask], store: Store, meter: Meter) -> list[PackPart]:
    """Put together what the parts of a search found."""
    with meter.at_work("find duplicates"):
        finish_search(store, parts, tasks)
    return parts


class FindDuplicates(beam.PTransform[PCollection[list[PackPart]], PCollection[list[PackPart]]]):
    """PCollection[list of every PackPart], one element -> the same, with all pairs on disk."""

    def __init__(self, store: Store, embedding: str | None, meter: Meter, divided_from: int = DIVIDED_FROM) -> None:
        super().__init__()
        self.store, self.meter, self.arguments = store, meter, (store, embedding, divided_from, meter)

    def expand(self, everything: PCollection[list[PackPart]]) -> PCollection[list[PackPart]]:
        tasks = everything | "Divide" >> beam.FlatMap(divide, *self.arguments)
        done = tasks | "Spread" >> beam.Reshuffle() | "Search" >> beam.Map(search, self.store, self.meter)
        return everything | "Finish" >> beam.Map(finish, AsList(done), self.store, self.meter)
