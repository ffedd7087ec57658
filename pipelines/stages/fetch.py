"""Fetch what the claims judgement admits, resize it, and lay it into packs. Every record asked for gets an outcome."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import apache_beam as beam
import pyarrow.compute as pc
from apache_beam.metrics.metric import Metrics
from apache_beam.pvalue import PCollection

from catalog.consent import consent_evidence
from catalog.denylist import NOTHING_DENIED, Denylist, load_denylist
from catalog.digests import sha256_hex
from catalog.packs import MAX_ATTEMPTS, TRANSIENT, Outcome, read_attempts, write_segment
from catalog.storage import Store
from pipelines.fetch_config import FetchConfig, PixelConfig
from pipelines.looks import look_of
from pipelines.parts import PackPart
from pipelines.pixels import UnusableError, store_image
from pipelines.progress import Meter
from pipelines.stages.judge_claims import claims_path
from pipelines.transport import Answer, HttpTransport, Transport

WINDOW = 64
"""Requests under way at once in one worker."""
SEGMENT_RECORDS = 1000
"""Records of a segment at most: what a worker holds in memory, and what a kill can lose."""
IMAGE_FIELDS = ("width", "height", "original_width", "original_height", "media_type")
REQUESTED = Metrics.counter("byline", "requested")
"""HTTP requests that were made, redirects that were followed included."""

Request = dict[str, Any]
"""`record_id` and `url`."""
IndexRow = tuple[dict[str, object], bytes | None]
"""The columns of `catalog.packs.INDEX_SCHEMA` that are known, and the stored bytes."""


async def fetch_all(
    requests: Sequence[Request],
    transport: Transport,
    pixels: PixelConfig,
    count: Callable[[int], None],
    denylist: Denylist = NOTHING_DENIED,
) -> list[IndexRow]:
    """Return, for every request in its order, the index row and the stored bytes (none where nothing came)."""
    rows: list[IndexRow] = []
    under_way: deque[asyncio.Task[Answer]] = deque()
    for place, request in enumerate(requests):
        while len(under_way) < WINDOW and place + len(under_way) < len(requests):
            url = requests[place + len(under_way)]["url"]
            under_way.append(asyncio.ensure_future(transport.get(url)))
        answer = await under_way.popleft()
        rows.append(await asyncio.to_thread(index_row, request, answer, pixels, denylist))
        count(1)
    return rows


def index_row(request: Request, answer: Answer, pixels: PixelConfig, denylist: Denylist = NOTHING_DENIED) -> IndexRow:
    """Turn one answer into one row of the pack index, with img2dataset's `status` beside our `outcome`.

    Of a picture that is denied neither bytes nor digest are kept.
    """
    row: dict[str, object] = {
        **request,
        "key": "",
        "fetched_at": datetime.now(UTC).replace(microsecond=0),
        "consent": consent_evidence(answer.consent),
    }
    if answer.body is None:
        row |= {
            "status": "failed_to_download",
            "outcome": answer.outcome,
            "error_message": answer.message,
        }
        return row, None
    row["sha256"] = sha256_hex(answer.body)
    try:
        image = store_image(answer.body, **pixels.model_dump())
    except UnusableError as error:
        row |= {"status": "failed_to_resize", "outcome": error.outcome, "error_message": str(error)}
        return row, None
    if _is_denied(answer.body, image.data, denylist):
        del row["sha256"]
        row |= {"status": "failed_to_resize", "outcome": Outcome.DENIED, "error_message": "taken down"}
        return row, None
    row |= {
        "status": "success",
        "outcome": Outcome.FETCHED,
        "key": row["sha256"],
        "stored_sha256": sha256_hex(image.data),
        **{field: getattr(image, field) for field in IMAGE_FIELDS},
    }
    return row, image.data


def _is_denied(fetched: bytes, stored: bytes, denylist: Denylist) -> bool:
    if denylist.is_empty:
        return False
    if any(denylist.denies_bytes(sha256_hex(data)) for data in (fetched, stored)):
        return True
    return denylist.sees_pictures and denylist.denies_picture(look_of(stored))


def fetch_pack(
    part: PackPart,
    store: Store,
    pixels: PixelConfig,
    config: FetchConfig,
    denylists: Sequence[str],
    meter: Meter,
) -> PackPart:
    """Fetch what a pack still lacks, into further segments of it."""
    denylist = load_denylist(store, denylists)
    with meter.pack("fetch", part.num_records) as count:
        requests = _to_fetch(part, store)
        while requests:
            began = datetime.now(UTC)
            chunk, rest = requests[:SEGMENT_RECORDS], requests[SEGMENT_RECORDS:]
            rows = asyncio.run(_fetch_over_http(chunk, pixels, config, count, denylist))
            was_first = write_segment(store, part.pack, rows, _stats(rows, began))
            requests = rest if was_first else _to_fetch(part, store)
    return part


def _to_fetch(part: PackPart, store: Store) -> list[Request]:
    """Return the admitted records whose URL was never asked for, or failed in a way that may have passed."""
    claims = store.read_table(claims_path(part.pack), columns=["record_id", "reasons"])
    is_admitted = pc.equal(pc.list_value_length(claims["reasons"]), 0)
    admitted = set(claims.filter(is_admitted)["record_id"].to_pylist())
    attempts = read_attempts(store, part.pack).select(["record_id", "url", "outcome"]).to_pylist()
    tried = Counter((row["record_id"], row["url"]) for row in attempts)
    settled = {(row["record_id"], row["url"]) for row in attempts if row["outcome"] not in TRANSIENT}
    settled |= {asked for asked, times in tried.items() if times >= MAX_ATTEMPTS}
    records = part.read_records(store, columns=["record_id", "url"]).to_pylist()
    return [
        record
        for record in records
        if record["record_id"] in admitted and (record["record_id"], record["url"]) not in settled
    ]


async def _fetch_over_http(
    requests: Sequence[Request],
    pixels: PixelConfig,
    config: FetchConfig,
    count: Callable[[int], None],
    denylist: Denylist,
) -> list[IndexRow]:
    mirrors = tuple(config.mirrors.items())
    async with HttpTransport(timeout_s=config.timeout_s, max_bytes=config.max_bytes, mirrors=mirrors) as transport:
        rows = await fetch_all(requests, transport, pixels, count, denylist)
    REQUESTED.inc(transport.num_requests)
    return rows


def _stats(rows: Sequence[IndexRow], start: datetime) -> dict[str, object]:
    """Return img2dataset's stats of one segment."""
    end = datetime.now(UTC)
    statuses = Counter(str(row["status"]) for row, _ in rows)
    messages = Counter(str(row.get("error_message") or "success") for row, _ in rows)
    return {
        "count": len(rows),
        "successes": statuses["success"],
        "failed_to_download": statuses["failed_to_download"],
        "failed_to_resize": statuses["failed_to_resize"],
        "duration": (end - start).total_seconds(),
        "start_time": start.timestamp(),
        "end_time": end.timestamp(),
        "status_dict": dict(sorted(messages.items())),
    }


class Fetch(beam.PTransform[PCollection[PackPart], PCollection[PackPart]]):
    """PCollection[PackPart] -> the same, each with every admitted record fetched or with the outcome why not."""

    def __init__(
        self, store: Store, pixels: PixelConfig, config: FetchConfig, denylists: Sequence[str], meter: Meter
    ) -> None:
        super().__init__()
        self.arguments = (store, pixels, config, denylists, meter)

    def expand(self, parts: PCollection[PackPart]) -> PCollection[PackPart]:
        return parts | "Get" >> beam.Map(fetch_pack, *self.arguments)
