"""Openverse: saved answers of its image search, with a license slug and a version for every result."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from byline.catalog.corpora.records import ImageRecord, Row, UnreadableRow
from byline.catalog.text import one_line
from byline.pipelines.sources.readers.options import AS_IT_IS, ReadOptions
from byline.pipelines.sources.readers.rows import extras_of, in_file, needed_text, read_row, refuse_columns, text_at
from byline.pipelines.sources.readers.saved_json import SavedAnswer, read_answers


def read_openverse(path: str, source: str, options: ReadOptions = AS_IT_IS) -> Iterator[Row]:
    """Yield a record for every result, in the order of the answers."""
    refuse_columns(options, source, "Openverse")
    for saved in read_answers(path):
        if isinstance(saved, UnreadableRow):
            yield saved
            continue
        results = saved.answer.get("results")
        if not isinstance(results, list):
            yield from in_file([saved.unreadable("results")], saved.file, of=path)
            continue
        for index, result in enumerate(results, start=1):
            place = f"result {index}"
            read = partial(_read_result, result, saved, source, place, options)
            yield from in_file([read_row(read, place=f"{saved.place}, {place}")], saved.file, of=path)


def _read_result(
    result: dict[str, Any], saved: SavedAnswer, source: str, place: str, options: ReadOptions
) -> ImageRecord:
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
        extras=extras_of(result, options),
        evidence=saved.evidence(place, result),
    )
