"""Openverse: saved answers of its image search, with a license slug and a version for every result."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from catalog.digests import canonical_json, sha256_hex
from catalog.records import Evidence, ImageRecord, UnreadableRow
from catalog.text import one_line
from pipelines.sources.options import AS_IT_IS, ReadOptions
from pipelines.sources.rows import needed_text, read_row, text_at
from pipelines.sources.saved_json import read_answers


def read_openverse(path: str, source: str, options: ReadOptions = AS_IT_IS) -> Iterator[ImageRecord | UnreadableRow]:
    """Yield a record for every result, in the order of the answers."""
    for number, answer in enumerate(read_answers(path), start=1):
        for index, result in enumerate(answer.get("results") or [], start=1):
            place = f"answer {number}, result {index}"
            yield read_row(partial(_read_result, result, path, source, place), place=place)


def _read_result(result: dict[str, Any], path: str, source: str, place: str) -> ImageRecord:
    slug = " ".join(filter(None, (text_at(result, "license"), text_at(result, "license_version"))))
    claims = (("license", slug), ("license_url", text_at(result, "license_url")))
    return ImageRecord(
        source=source,
        id=needed_text(result, "id"),
        url=needed_text(result, "url"),
        landing_url=text_at(result, "foreign_landing_url"),
        license_claims=tuple((field, text) for field, text in claims if text),
        title=one_line(text_at(result, "title") or "") or None,
        creator=one_line(text_at(result, "creator") or "") or None,
        creator_url=text_at(result, "creator_url"),
        tags=tuple(needed_text(tag, "name") for tag in result.get("tags") or []),
        width=result.get("width"),
        height=result.get("height"),
        evidence=Evidence(file=path, place=place, sha256=sha256_hex(canonical_json(result))),
    )
