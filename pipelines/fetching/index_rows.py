"""From an answer to a row of the pack index and the bytes that a pack keeps."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from byline.catalog.consent import Signal, consent_evidence
from byline.catalog.corpora.packs import Outcome
from byline.catalog.denylists.denylist import NOTHING_DENIED, Denylist
from byline.catalog.digests import sha256_hex
from byline.pictures.config import PixelConfig
from byline.pictures.pixels import UnusableError, store_image
from byline.pictures.stated import embedded_signals
from byline.pipelines.facts.looks import look_of
from byline.pipelines.fetching.transport import Answer

IMAGE_FIELDS = ("width", "height", "original_width", "original_height", "media_type")
ANSWER_FIELDS = ("final_url", "etag", "last_modified")
Request = dict[str, Any]
"""What is asked for: `record_id`, `url` and `held`."""
IndexRow = tuple[dict[str, object], bytes | None, bytes | None]
"""The known columns of `catalog.corpora.packs.INDEX_SCHEMA`, the stored bytes, and those as fetched if kept."""


def index_row(request: Request, answer: Answer, pixels: PixelConfig, denylist: Denylist = NOTHING_DENIED) -> IndexRow:
    """Turn one answer into one row of the pack index, with img2dataset's `status` beside our `outcome`.

    Of a picture that is denied neither bytes nor digest are kept. Beside the columns there is `note`, to be counted:
    what was odd about a picture and did no harm. Never raises for what anybody sent.
    """
    row: dict[str, object] = {
        "record_id": request["record_id"],
        "url": request["url"],
        "key": "",
        "fetched_at": _now(),
        "was_sent": answer.was_sent and not request.get("held"),
        "consent": consent_evidence(signals_of(answer)),
        **{name: getattr(answer, name) for name in ANSWER_FIELDS if getattr(answer, name) is not None},
    }
    if answer.body is None:
        row |= {"status": "failed_to_download", "outcome": answer.outcome, "error_message": answer.message}
        return row, None, None
    row["sha256"] = sha256_hex(answer.body)
    try:
        image = store_image(answer.body, **pixels.model_dump())
    except UnusableError as error:
        row |= {"status": "failed_to_resize", "outcome": error.outcome, "error_message": str(error)}
        if not answer.says_its_end and (error.outcome is Outcome.DAMAGED or not answer.body):
            del row["sha256"]  # a server that is killed in mid-answer sends this; the picture may be whole tomorrow
            message = f"the connection ended, which alone said where the picture does: {error}"
            row |= {"status": "failed_to_download", "outcome": Outcome.UNREACHABLE, "error_message": message}
        return row, None, None
    if _is_denied(answer.body, image.data, denylist):
        del row["sha256"]
        row |= {"status": "failed_to_resize", "outcome": Outcome.DENIED, "error_message": "taken down"}
        return row, None, None
    row |= {
        "status": "success",
        "outcome": Outcome.FETCHED,
        "key": row["sha256"],
        "stored_sha256": sha256_hex(image.data),
        "note": image.note,
        **{field: getattr(image, field) for field in IMAGE_FIELDS},
    }
    return row, image.data, answer.body if pixels.keep_originals else None


def signals_of(answer: Answer) -> tuple[Signal, ...]:
    """Return what an answer says of the use of a picture: its headers, then its bytes."""
    return answer.consent if answer.body is None else (*answer.consent, *embedded_signals(answer.body))


def _now() -> datetime:
    """Return the time in milliseconds, as the index keeps it."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _is_denied(fetched: bytes, stored: bytes, denylist: Denylist) -> bool:
    if denylist.is_empty:
        return False
    if any(denylist.denies_bytes(sha256_hex(data)) for data in (fetched, stored)):
        return True
    return denylist.sees_pictures and denylist.denies_picture(look_of(stored))


def segment_stats(rows: Sequence[IndexRow], start: datetime) -> dict[str, object]:
    """Return img2dataset's stats of one segment."""
    end = datetime.now(UTC)
    statuses = Counter(str(row["status"]) for row, _, _ in rows)
    messages = Counter(str(row.get("error_message") or "success") for row, _, _ in rows)
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
