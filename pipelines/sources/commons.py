"""Wikimedia Commons: saved answers of `action=query&prop=imageinfo&iiprop=url|user|size|extmetadata`.

The values of `extmetadata` are HTML, scraped from templates; the license fields are kept as they are written.
"""

from collections.abc import Iterator
from typing import Any

from catalog.digests import canonical_json, sha256_hex
from catalog.records import Evidence, ImageRecord, UnreadableRow
from catalog.text import plain_text
from pipelines.sources.saved_json import read_answers

LICENSE_FIELDS = ("License", "LicenseShortName", "LicenseUrl", "UsageTerms")


def read_commons(path: str, source: str) -> Iterator[ImageRecord | UnreadableRow]:
    """Yield a record for every page that has an image, in the order of the answers."""
    for answer in read_answers(path):
        pages = answer.get("query", {}).get("pages", {})
        for page in pages.values() if isinstance(pages, dict) else pages:
            yield _read_page(page, path, source, answer.get("curtimestamp"))


def _read_page(page: dict[str, Any], path: str, source: str, retrieved_at: str | None) -> ImageRecord | UnreadableRow:
    place = f"page {page.get('pageid', page.get('title'))}"
    infos = page.get("imageinfo")
    if "pageid" not in page or not infos or not infos[0].get("url"):
        return UnreadableRow(place=place, problem="the page has no id or no image")
    info = infos[0]
    said = {
        field: str(entry.get("value", ""))
        for field, entry in info.get("extmetadata", {}).items()
        if isinstance(entry, dict)
    }
    return ImageRecord(
        source=source,
        id=f"M{page['pageid']}",
        url=info["url"],
        landing_url=info.get("descriptionurl"),
        license_claims=tuple((field, said[field]) for field in LICENSE_FIELDS if said.get(field)),
        title=plain_text(said.get("ObjectName") or page.get("title", "")) or None,
        creator=plain_text(said.get("Artist", "")) or info.get("user") or None,
        description=plain_text(said.get("ImageDescription", "")) or None,
        tags=tuple(tag for tag in plain_text(said.get("Categories", "")).split("|") if tag),
        width=info.get("width"),
        height=info.get("height"),
        evidence=Evidence(
            file=path,
            place=place,
            sha256=sha256_hex(canonical_json(page)),
            retrieved_at=retrieved_at,
        ),
    )
