"""The page of credits: every creator with their pictures, in one file that needs no server and no network."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from byline.pages.html import html_templates, jpeg_url, safe_url
from byline.pipelines.releases.papers.account import Account
from byline.pipelines.releases.papers.credits import Row, by_creator, creator_order, source_words
from byline.pipelines.releases.papers.escaping import plain
from byline.pipelines.releases.papers.licenses import license_words

MAX_PICTURES = 5_000
"""More make a page that browsers open slowly."""


def credits_html(account: Account, *, max_pictures: int = MAX_PICTURES) -> bytes:
    """Return the page: creators in order, whole ones, as far as `max_pictures` go; it says how many are left out.

    Only when the first creator alone has more is a creator cut. Everything that a source said is escaped.
    """
    credits = account.credits
    creators = _creators(account, max_pictures)
    num_shown = sum(len(creator["pictures"]) for creator in creators)
    environment = html_templates("byline.pipelines.releases.papers")
    page = environment.get_template("credits.html.j2").render(
        name=plain(account.manifest.name),
        total=credits.num_rows,
        num_shown=num_shown,
        num_left_out=credits.num_rows - num_shown,
        num_creators=len({plain(creator) for creator in credits["creator"].unique().to_pylist()} - {""}),
        licenses=_licenses(credits),
        changes=plain(account.changes),
        creators=creators,
    )
    return page.encode()


def shown_creators(credits: pa.Table, max_pictures: int = MAX_PICTURES) -> Iterator[tuple[str, int, list[Row]]]:
    """Yield what the page shows: creator, how many pictures they have, and those of them that there is room for.

    These are the pictures whose thumbnails are worth reading.
    """
    num_shown = 0
    for creator, rows in by_creator(_first_creators(credits, max_pictures)):
        room = max_pictures - num_shown
        if len(rows) > room and num_shown:
            return
        yield creator, len(rows), rows[:room]
        num_shown += len(rows)


def _creators(account: Account, max_pictures: int) -> list[dict[str, Any]]:
    return [
        {
            "name": creator,
            "url": next(filter(None, (safe_url(row["creator_url"]) for row in rows)), None),
            "num_pictures": num_pictures,
            "pictures": [_picture(row, account.thumbnails.get(row["sha256"]), account.changes) for row in rows],
        }
        for creator, num_pictures, rows in shown_creators(account.credits, max_pictures)
    ]


def _licenses(credits: pa.Table) -> list[tuple[str, int]]:
    counts: Counter[str] = Counter()
    for row in pc.value_counts(credits["license"]).to_pylist():
        counts[license_words(row["values"])] += row["counts"]
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _first_creators(credits: pa.Table, max_pictures: int) -> pa.Table:
    """Return the rows of the creators that the page begins with: at least those that it has room for, and the next."""
    names = pc.fill_null(credits["creator"], "")
    counted = [(plain(row["values"]), row["values"], row["counts"]) for row in pc.value_counts(names).to_pylist()]
    chosen: list[str] = []
    total = 0
    for shown, name, count in sorted(counted, key=lambda creator: (*creator_order(creator[0]), creator[1])):
        if total > max_pictures and shown != plain(chosen[-1]):
            break
        chosen.append(name)
        total += count
    return credits.filter(pc.is_in(names, value_set=pa.array(chosen, pa.string())))


def _picture(row: Row, thumbnail: bytes | None, changes: str) -> dict[str, str | None]:
    return {
        "image": jpeg_url(thumbnail) if thumbnail else None,
        "title": row["title"],
        "page": safe_url(row["source_url"]),
        "file": None if safe_url(row["source_url"]) else source_words(row),
        "license": license_words(row["license"]),
        "license_url": safe_url(row["license_url"]),
        "changes": plain(row["changes"]) if row["changes"] != changes else None,
    }
