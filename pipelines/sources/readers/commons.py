"""Wikimedia Commons: saved answers of `action=query&prop=imageinfo&iiprop=url|user|size|extmetadata`.

The values of `extmetadata` are HTML, scraped from templates; the license fields are kept as they are written.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from byline.catalog.corpora.records import ImageRecord, Row, UnreadableRow
from byline.catalog.text import plain_text
from byline.pipelines.sources.readers.options import AS_IT_IS, ReadOptions
from byline.pipelines.sources.readers.rows import extras_of, in_file, needed_text, read_row, refuse_columns, text_at
from byline.pipelines.sources.readers.saved_json import SavedAnswer, read_answers

LICENSE_FIELDS = ("License", "LicenseShortName", "LicenseUrl", "UsageTerms")
ANSWERS = frozenset({"query", "batchcomplete", "continue"})
"""Keys of which MediaWiki's answers to queries have one."""

Waiting = dict[str, tuple[SavedAnswer, Any, str]]
"""Pages of a batch that is not complete, by id: the answer, the page, its place in the answer."""


def read_commons(path: str, source: str, options: ReadOptions = AS_IT_IS) -> Iterator[Row]:
    """Yield a record for every page that has an image, in the order of the answers.

    Where one answer does not hold all that was asked of its pages, it comes in the next ones: a page is read from the
    answer that has its image, once.
    """
    refuse_columns(options, source, "Wikimedia Commons")
    waiting: Waiting = {}
    for saved in read_answers(path):
        if isinstance(saved, UnreadableRow):
            yield saved
            continue
        if not _is_answer(saved.answer):
            yield from in_file([saved.unreadable("pages")], saved.file, of=path)
            continue
        for index, page in enumerate(_pages(saved.answer), start=1):
            key = str((isinstance(page, dict) and page.get("pageid")) or f"{saved.place} {index}")
            if key not in waiting or (_has_image(page) and not _has_image(waiting[key][1])):
                waiting[key] = (saved, page, f"page {index}")
        if "batchcomplete" in saved.answer or "continue" not in saved.answer:
            yield from _read_batch(waiting, source, options, path)
            waiting = {}
    yield from _read_batch(waiting, source, options, path)


def _is_answer(answer: dict[str, Any]) -> bool:
    """Tell whether MediaWiki answered, if only that there is nothing, or nothing yet."""
    query = answer.get("query", [])
    pages = query.get("pages", []) if isinstance(query, dict) else query
    return "error" not in answer and bool(ANSWERS & answer.keys()) and isinstance(pages, dict | list)


def _pages(answer: dict[str, Any]) -> list[Any]:
    query = answer.get("query")
    pages = query.get("pages") if isinstance(query, dict) else None
    listed = list(pages.values()) if isinstance(pages, dict) else pages
    return listed if isinstance(listed, list) else []


def _has_image(page: Any) -> bool:
    return isinstance(page, dict) and isinstance(page.get("imageinfo"), list) and bool(page["imageinfo"])


def _read_batch(waiting: Waiting, source: str, options: ReadOptions, path: str) -> Iterator[Row]:
    for saved, page, place in waiting.values():
        row = read_row(partial(_read_page, page, saved, source, place, options), place=f"{saved.place}, {place}")
        yield from in_file([row], saved.file, of=path)


def _read_page(page: dict[str, Any], saved: SavedAnswer, source: str, place: str, options: ReadOptions) -> ImageRecord:
    if any(page.get(word, False) is not False for word in ("missing", "invalid")):  # version 1 writes "" for true
        raise ValueError(f"no page of that name: {page.get('title')!r:.100}")
    if not _has_image(page):
        raise KeyError("imageinfo")
    if not isinstance(page["pageid"], int):
        raise ValueError(f"pageid is no number: {page['pageid']!r:.60}")
    info = page["imageinfo"][0]
    if info.get("filemissing"):
        raise ValueError("the page has lost its file")
    metadata = _texts(info.get("extmetadata") or {})  # MediaWiki writes an empty one as a list
    return ImageRecord(
        source=source,
        id=f"M{page['pageid']}",
        url=needed_text(info, "url"),
        landing_url=text_at(info, "descriptionurl"),
        license_claims=tuple((field, metadata[field]) for field in LICENSE_FIELDS if metadata.get(field)),
        title=plain_text(metadata.get("ObjectName") or text_at(page, "title") or "") or None,
        creator=plain_text(metadata.get("Artist", "")) or text_at(info, "user"),
        description=plain_text(metadata.get("ImageDescription", "")) or None,
        tags=tuple(tag for tag in plain_text(metadata.get("Categories", "")).split("|") if tag),
        width=info.get("width"),
        height=info.get("height"),
        extras=extras_of({**page, **info, **metadata}, options),
        evidence=saved.evidence(place, page, retrieved_at=text_at(saved.answer, "curtimestamp")),
    )


def _texts(extmetadata: dict[str, Any]) -> dict[str, str]:
    values = {field: entry.get("value") for field, entry in extmetadata.items()}
    return {field: str(value) for field, value in values.items() if value is not None}
