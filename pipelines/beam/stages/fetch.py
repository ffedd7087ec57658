"""Fetch what the claims judgement admits, resize it, and lay it into packs. Every record asked for gets an outcome."""

import asyncio
import itertools
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.pvalue import PCollection

from byline.catalog.corpora.builds import ANSWERED, FETCH, RECEIVED_BYTES, REQUEST_MS, REQUESTED
from byline.catalog.corpora.packs import Outcome, num_pack_segments, read_attempts, write_segment
from byline.catalog.corpora.parts import PackPart
from byline.catalog.denylists.denylist import NOTHING_DENIED, Denylist
from byline.catalog.denylists.lists import load_denylist
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CorpusError, StorageError
from byline.catalog.hosts import UrlError
from byline.catalog.progress import Meter
from byline.catalog.urls import read_url
from byline.pictures.config import PixelConfig
from byline.pipelines.beam.beats import count_done
from byline.pipelines.beam.cores import OnAnyCore
from byline.pipelines.beam.stages.judge_claims import claims_path
from byline.pipelines.beam.timing import timed
from byline.pipelines.facts.attempts import ATTEMPT_COLUMNS, Asking, due
from byline.pipelines.fetching.config import AT_ONCE, FetchConfig
from byline.pipelines.fetching.coordination.client import sharing
from byline.pipelines.fetching.coordination.reach import Reach
from byline.pipelines.fetching.held import read_held
from byline.pipelines.fetching.index_rows import IndexRow, Request, index_row, segment_stats
from byline.pipelines.fetching.journal import Asked, Journal
from byline.pipelines.fetching.queue import answer_all
from byline.pipelines.fetching.transport import Answer, HttpTransport, Transport
from byline.pipelines.fetching.unpacked import Unpacked
from byline.pipelines.releases.outcomes import ODD

JOURNALED = 48
"""Rows that are written to the journal at once."""
WINDOW = AT_ONCE + 2 * JOURNALED
"""A batch: pictures of one worker that a kill may cost, those under way and those that are not in the journal yet."""
SEGMENT_RECORDS = 1000


class _OvertakenError(Exception):
    """Another process added a segment to the pack, or removed what was to go into one."""


class Fetching:
    """The requests of one pack on their way into its segments.

    A segment holds the next `SEGMENT_RECORDS` requests, in the order given, whoever answered first; so its bytes depend
    on neither time nor kills. In memory are a batch and the segment that is being written.
    """

    def __init__(
        self,
        requests: Sequence[Request],
        pixels: PixelConfig,
        journal: Journal,
        write: Callable[[list[IndexRow]], None],
        count: Callable[[int], None],
        denylist: Denylist = NOTHING_DENIED,
        served: Collection[str] = (),
        unpacked: Unpacked | None = None,
    ) -> None:
        """`write` is given the rows of each segment, in their order. URLs that begin with one of `served` are answered
        by the build itself. `unpacked` has the pictures that lie in tables.
        """
        self.served, self.unpacked = tuple(served), unpacked
        self.requests, self.pixels, self.denylist = requests, pixels, denylist
        self.journal, self.write, self.count = journal, write, count
        self.asked: list[Asked] = [(request["record_id"], request["url"]) for request in requests]
        self.batch: list[IndexRow] = []
        self.num_written = 0
        self.num_answered = 0
        self.writer = ThreadPoolExecutor(1)
        """Writes the journal and the segments, one after the other, while requests go on."""

    async def run(self, transport: Transport, config: FetchConfig) -> None:
        """Ask for what the journal does not have, each URL once however many records have it; write every segment."""
        places = [index for index, asked in enumerate(self.asked) if asked not in self.journal]
        self.count(len(self.requests) - len(places))
        groups = _asked_together(self.requests, places)
        get = transport.attempt if isinstance(transport, HttpTransport) else transport.get

        async def ask(number: int) -> Answer:
            request = self.requests[groups[number][0]]
            if request.get("held"):
                return await loop.run_in_executor(decoders, _read_held, request, config.max_bytes, self.unpacked)
            return await get(request["url"])

        async def use(number: int, answer: Answer) -> None:
            request = self.requests[groups[number][0]]
            if request["url"].startswith(self.served):
                if answer.outcome is Outcome.UNREACHABLE:
                    raise CorpusError(
                        f"the server of this build, which has {request['url']}, is gone; run the build again"
                    )  # and that is no outcome of the picture's: the build was killed
                answer = replace(answer, was_sent=False)  # to nobody else
            row, stored, original = await loop.run_in_executor(
                decoders, index_row, request, answer, self.pixels, self.denylist
            )
            self.num_answered += len(groups[number])
            for index in groups[number]:
                own = {name: self.requests[index][name] for name in ("record_id", "url")}
                if note := row.get("note"):
                    count_done(f"{ODD}{str(note).partition(':')[0]}", 1)
                self.count(1)
                self.batch.append(({**row, **own}, stored, original))
                if len(self.batch) >= JOURNALED:
                    await keep()

        async def keep() -> None:
            batch, self.batch = self.batch, []
            await loop.run_in_executor(self.writer, self._keep, batch)

        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(os.cpu_count()) as decoders, self.writer:
            hosts = [_host(self.requests[group[0]]) for group in groups]
            limits = {"window": AT_ONCE, "per_host": config.per_host, "retries": config.retries}
            await keep()  # a killed process may have left a whole segment
            await answer_all(hosts, ask, use, **limits)
            await keep()

    def _keep(self, batch: list[IndexRow]) -> None:
        if batch:
            self.journal.add(batch)
        self._write_segments()

    def _write_segments(self) -> None:
        """Write the segments whose rows are all in the journal."""
        while self.num_written < len(self.requests):
            segment = slice(self.num_written, self.num_written + SEGMENT_RECORDS)
            if not all(asked in self.journal for asked in self.asked[segment]):
                return
            try:
                rows = self.journal.read(self.asked[segment])
            except StorageError as error:
                if self.journal.is_there():
                    raise
                raise _OvertakenError from error
            self.write(rows)
            self.num_written += len(self.asked[segment])


def _asked_together(requests: Sequence[Request], places: Sequence[int]) -> list[list[int]]:
    """Return places whose requests are one: those of one URL, in the form in which it is sent, in their order."""
    groups: dict[object, list[int]] = {}
    for index in places:
        what: object = index
        if not requests[index].get("held"):
            with suppress(UrlError):
                what = read_url(requests[index]["url"]).sent
        groups.setdefault(what, []).append(index)
    return list(groups.values())


def _host(request: Request) -> str:
    if request.get("held"):
        return ""
    with suppress(UrlError):
        return read_url(request["url"]).server
    return ""


def _read_held(request: Request, max_bytes: int, unpacked: Unpacked | None) -> Answer:
    return read_held(request["held"], max_bytes=max_bytes, unpacked=unpacked)


def fetch_pack(
    part: PackPart,
    store: Store,
    pixels: PixelConfig,
    config: FetchConfig,
    denylists: Sequence[str],
    meter: Meter,
    served: Collection[str] = (),
    asking: Asking | None = None,
    coordinator: Reach | None = None,
) -> PackPart:
    """Fetch what a pack still lacks, into further segments of it. `served` are prefixes that the build serves.

    Without `asking` it is what a build asks for that begins now. Hosts' limits are kept by the `coordinator`, or
    without one by this machine.
    """
    denylist = load_denylist(store, denylists)
    began = datetime.now(UTC)
    asking = asking or Asking(began=began, spacing_s=config.ask_again_after_s)

    def write(numbers: Iterator[int], rows: list[IndexRow]) -> None:
        listed = [row if row[2] is not None else row[:2] for row in rows]
        if not write_segment(store, part.pack, listed, segment_stats(rows, began), number=next(numbers)):
            raise _OvertakenError

    with meter.pack("fetch", part.num_records) as count, _unpacked_for(meter, store) as unpacked:
        while True:
            journal, before = Journal(store, part.pack), num_pack_segments(store, part.pack)
            left = journal.began
            answered = journal.places if left else ()
            requests = _to_fetch(part, store, replace(asking, began=left or asking.began), answered, before)
            if not requests and left is None and not journal.names:
                break
            if not requests:
                journal.remove()  # what was left is in segments
                continue
            with suppress(_OvertakenError):
                journal.begin(left or asking.began)
                add = partial(write, itertools.count(before))
                fetching = Fetching(requests, pixels, journal, add, count, denylist, served, unpacked)
                with timed(FETCH):
                    folder = meter.shared_folder("found")
                    asyncio.run(_fetch_over_http(fetching, config, folder, coordinator))
                journal.remove()
                break
    return part


@contextmanager
def _unpacked_for(meter: Meter, store: Store) -> Iterator[Unpacked]:
    """Give what unpacks pictures of tables: for all processes of the build, or for this one on another machine."""
    if meter.scratch is not None and Path(meter.scratch).is_dir():
        yield Unpacked(Path(meter.scratch))
    elif not store.is_local:
        yield Unpacked(Path(_own_scratch().name))
    else:
        with store.scratch_folder() as folder:
            yield Unpacked(folder)


@cache
def _own_scratch() -> "TemporaryDirectory[str]":
    """Return a folder that goes with this process: tables are copied and unpacked once, and not for every pack."""
    return TemporaryDirectory(prefix="byline-")


def _to_fetch(
    part: PackPart, store: Store, asking: Asking, answered: Collection[Asked], num_segments: int
) -> list[Request]:
    """Return the admitted records whose URL was never asked for, or is to be asked again.

    Among them are those that a killed build asked, which are `answered` and in none of the first `num_segments`.
    """
    claims = store.read_table(claims_path(part.pack), columns=["record_id", "reasons"])
    is_admitted = pc.equal(pc.list_value_length(claims["reasons"]), 0)
    admitted = claims.filter(is_admitted)["record_id"].combine_chunks()
    records = part.read_records(store, columns=["record_id", "url", "held"])
    records = records.filter(pc.is_in(records["record_id"], value_set=admitted))
    masks = due(
        records, read_attempts(store, part.pack, ATTEMPT_COLUMNS, num_segments=num_segments), part.source, asking
    )
    asked = zip(records["record_id"].to_pylist(), records["url"].to_pylist(), strict=True)
    is_left = np.fromiter((request in answered for request in asked), np.bool_, len(records)) & ~masks.is_done
    return records.filter(pa.array(masks.first | masks.again | is_left)).to_pylist()


async def _fetch_over_http(
    fetching: Fetching, config: FetchConfig, folder: Path | None, coordinator: Reach | None
) -> None:
    denies = fetching.denylist.denies_url
    async with (
        sharing(config, folder, coordinator) as shared,
        HttpTransport(config, shared=shared, denies=denies) as transport,
    ):
        try:
            await fetching.run(transport, config)
        finally:
            count_done(REQUESTED, transport.num_requests)  # redirects that were followed included
            count_done(ANSWERED, fetching.num_answered)
            count_done(RECEIVED_BYTES, transport.num_bytes)
            count_done(REQUEST_MS, round(1000 * transport.waited_s))


class FetchPack(beam.DoFn):
    """Fetches what a pack lacks; `fetch_pack` has the arguments."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def process(self, part: PackPart) -> Iterator[PackPart]:
        """Fetch, then pass the pack on."""
        yield fetch_pack(part, *self.arguments)


class Fetch(beam.PTransform[PCollection[PackPart], PCollection[PackPart]]):
    """PCollection[PackPart] -> the same, each with every admitted record fetched or with the outcome why not."""

    def __init__(
        self,
        store: Store,
        pixels: PixelConfig,
        config: FetchConfig,
        denylists: Sequence[str],
        meter: Meter,
        served: Collection[str] = (),
        asking: Asking | None = None,
        coordinator: Reach | None = None,
    ) -> None:
        super().__init__()
        self.arguments = (store, pixels, config, denylists, meter, tuple(served), asking, coordinator)

    def expand(self, parts: PCollection[PackPart]) -> PCollection[PackPart]:
        return parts | "Get" >> beam.ParDo(OnAnyCore(FetchPack(*self.arguments)))
