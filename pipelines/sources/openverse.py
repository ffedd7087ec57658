"""Openverse: saved answers of its image search, with a license slug and a version for every result."""

from collections.abc import Iterator
from typing import Any

from catalog.digests import canonical_json, sha256_hex
from catalog.records import Evidence, ImageRecord, UnreadableRow
from catalog.text import one_line
from pipelines.sources.saved_json import read_answers


def read_openverse(path: str, source: str) -> Iterator[ImageRecord | UnreadableRow]:
    """Yield a record for every result, in the order of the answers."""
    for number, answer in enumerate(read_answers(path), start=1):
        for index, result in enumerate(answer.get("results", []), start=1):
            yield _read_result(result, path, source, place=f"answer {number}, result {index}")


def _read_result(result: dict[str, Any], path: str, source: str, *, place: str) -> ImageRecord | UnreadableRow:
    if not result.get("id") or not result.get("url"):
        return UnreadableRow(place=place, problem="the result has no id or no url")
    slug = " ".join(str(result[k]) for k in ("license", "license_version") if result.get(k))
    claims = (("license", slug), ("license_url", str(result.get("license_url") or "")))
    return ImageRecord(
        source=source,
        id=str(result["id"]),
        url=str(result["url"]),
        landing_url=result.get("foreign_landing_url"),
        license_claims=tuple((field, text) for field, text in claims if text),
        title=one_line(str(result.get("title") or "")) or None,
        creator=one_line(str(result.get("creator") or "")) or None,
        creator_url=result.get("creator_url"),
        tags=tuple(str(tag["name"]) for tag in result.get("tags") or [] if tag.get("name")),
        width=result.get("width"),
        height=result.get("height"),
        evidence=Evidence(file=path, place=place, sha256=sha256_hex(canonical_json(result))),
    )
