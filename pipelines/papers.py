"""The papers of a release, written from its verdicts and records: credits as a table and as a page."""

from itertools import groupby
from typing import Any

import pyarrow as pa
from jinja2 import Environment, PackageLoader

from catalog.licenses import license_url

Row = dict[str, Any]

CREDIT_SCHEMA = pa.schema(
    [
        ("sha256", pa.string()),
        ("record_id", pa.string()),
        ("title", pa.string()),
        ("creator", pa.string()),
        ("creator_url", pa.string()),
        ("source_url", pa.string()),
        ("license", pa.string()),
        ("license_url", pa.string()),
        ("changes", pa.string()),
        ("split", pa.string()),
    ]
)
"""Title, author, source, license, and what was changed: what a Creative Commons license asks to be said."""


def credits_table(verdicts: list[Row], records: dict[str, Row], *, changes: str) -> pa.Table:
    """Return one credit for each admitted picture, sorted by creator, title and digest."""
    rows = []
    for verdict in verdicts:
        record = records[verdict["record_id"]]
        rows.append(
            {
                "sha256": verdict["sha256"],
                "record_id": verdict["record_id"],
                "title": record["title"],
                "creator": record["creator"],
                "creator_url": record["creator_url"],
                "source_url": record["landing_url"] or record["url"],
                "license": verdict["license"],
                "license_url": license_url(verdict["license"]),
                "changes": changes,
                "split": verdict["split"],
            }
        )
    rows.sort(key=lambda row: (row["creator"] or "", row["title"] or "", row["sha256"]))
    return pa.Table.from_pylist(rows, schema=CREDIT_SCHEMA)


def credits_page(name: str, credits: pa.Table) -> str:
    """Return the credits as one HTML page, by creator. Everything that a source said is escaped."""
    rows = credits.to_pylist()
    creators = [
        (creator or "Creator not stated", list(group))
        for creator, group in groupby(rows, key=lambda row: row["creator"])
    ]
    environment = Environment(loader=PackageLoader("pipelines", "."), autoescape=True)
    return environment.get_template("credits.html.j2").render(
        name=name, num_pictures=len(rows), creators=creators, safe_url=safe_url
    )


def safe_url(url: str | None) -> str | None:
    """Return a URL that a page may link to, or none: only http(s)."""
    return url if url and url.startswith(("https://", "http://")) else None
