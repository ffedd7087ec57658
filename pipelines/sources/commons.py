"""Wikimedia Commons: saved answers of `action=query&prop=imageinfo&iiprop=url|user|size|extmetadata`.

The values of `extmetadata` are HTML, scraped from templates; the license fields are kept as they are written.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from catalog.digests import canonical_json, sha256_hex
from catalog.records import Evidence, ImageRecord, UnreadableRow
from catalog.text import plain_text
from pipelines.sources.options import AS_IT_IS, ReadOptions
from pipelines.sources.rows import needed_text, read_row, text_at
from pipelines.sources.saved_json import read_answers

LICENSE_FIELDS = ("License", "LicenseShortName", "LicenseUrl", "UsageTerms")


def read_commons(path: str, source: str, options: ReadOptions = AS_IT_IS) -> Iterator[ImageRecord | UnreadableRow]:
    """Yield a record for every page that has an image, in the order of the answers."""
    for number, answer in enumerate(read_answers(path), start=1):
        pages = (answer.get("query") or {}).get("pages") or []
        for index, page in enumerate(pages.values() if isinstance(pages, dict) else pages, start=1):
            place = f"answer {number}, page {index}"
            retrieved_at = answer.get("curtimestamp")
            yield read_row(partial(_read_page, page, path, source, place, retrieved_at), place=place)


def _read_page(page: dict[str, Any], path: str, source: str, place: str, retrieved_at: str | None) -> ImageRecord:
    info = page["imageinfo"][0]
    said = _said(info.get("extmetadata") or {})  # MediaWiki writes an empty one as a list
    return ImageRecord(
        source=source,
        id=f"M{page['pageid']}",
        url=needed_text(info, "url"),
        landing_url=text_at(info, "descriptionurl"),
        license_claims=tuple((field, said[field]) for field in LICENSE_FIELDS if said.get(field)),
        title=plain_text(said.get("ObjectName") or text_at(page, "title") or "") or None,
        creator=plain_text(said.get("Artist", "")) or text_at(info, "user"),
        description=plain_text(said.get("ImageDescription", "")) or None,
        tags=tuple(tag for tag in plain_text(said.get("Categories", "")).split("|") if tag),
        width=info.get("width"),
        height=info.get("height"),
        evidence=Evidence(file=path, place=place, sha256=sha256_hex(canonical_json(page)), retrieved_at=retrieved_at),
    )


def _said(extmetadata: dict[str, Any]) -> dict[str, str]:
    values = {field: entry.get("value") for field, entry in extmetadata.items()}
    return {field: str(value) for field, value in values.items() if value is not None}
