"""Credits: whose each picture is, as a table and as plain text, and which of them lack what their license asks for."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.disk.columns import is_blank
from byline.catalog.errors import ConfigError
from byline.catalog.licenses.reading import family
from byline.catalog.nothing import HELD, is_no_page, is_nobody, is_nowhere, is_untitled, stated
from byline.catalog.policies.policy import CREDIT_NEEDED, Policy
from byline.pipelines.releases.papers.account import Account
from byline.pipelines.releases.papers.escaping import plain, plain_url
from byline.pipelines.releases.papers.licenses import licensed_as

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
        ("shard", pa.string()),
    ]
)
"""Title, author, source, license, and what was changed: what a Creative Commons license asks to be said; and the shard
that ships the picture."""
REQUIRABLE = {"creator": "creator", "title": "title", "source": "source_url", "license_url": "license_url"}
"""Part of a credit that a policy can require -> its column."""
_SAYS_NOTHING = {"creator": is_nobody, "title": is_untitled, "source": is_nowhere, "license_url": is_no_page}


def missing_credits(credits: pa.Table, required: Sequence[str]) -> list[str]:
    """Return a line for each picture whose license asks for credit and that lacks a required part of it.

    Parts are the keys of `REQUIRABLE`; blanks and words for nothing are lacking. Lines are in the order of the rows.
    """
    for part in required:
        if part not in REQUIRABLE:
            raise ConfigError(f"no part of a credit is called {part!r}; the parts are {', '.join(REQUIRABLE)}")
    asking = [spdx for spdx in pc.unique(credits["license"]).to_pylist() if family(spdx or "") in CREDIT_NEEDED]
    asked = credits.filter(pc.is_in(credits["license"], value_set=pa.array(asking, pa.string())))
    lacks = {part: is_blank(stated(asked[REQUIRABLE[part]], _SAYS_NOTHING[part])) for part in required}
    if not lacks or not asked.num_rows:
        return []
    any_lacking = pc.equal(pc.min_element_wise(*(pc.cast(pc.invert(mask), pa.int8()) for mask in lacks.values())), 0)
    rows = asked.select(["sha256", "record_id", "license"])
    for part, mask in lacks.items():
        rows = rows.append_column(part, mask)
    return [_lack_of(row, required) for row in rows.filter(any_lacking).to_pylist()]


def lacking_credits(credits: pa.Table, policy: Policy) -> list[str]:
    """Return a line for each credit that lacks what the policy requires of records of its source."""
    sources = sorted({(record_id or "").partition(":")[0] for record_id in credits["record_id"].to_pylist()})
    lines = []
    for source in sources:
        of_source = credits.filter(pc.starts_with(credits["record_id"], f"{source}:"))
        lines += missing_credits(of_source, policy.rules_of(source).credit.required)
    return lines


def _lack_of(row: Row, required: Sequence[str]) -> str:
    parts = " and ".join(part.replace("_", " ") for part in required if row[part])
    return plain(f"{row['record_id']} ({row['sha256'][:16]}): {row['license']} asks for credit; no {parts} is known")


def by_creator(credits: pa.Table) -> Iterator[tuple[str, list[Row]]]:
    """Yield each creator's name (empty when it is not stated, and then last) and pictures, by title and digest."""
    rows = credits.to_pylist()
    for row in rows:
        row["creator"], row["title"] = plain(row["creator"]), plain(row["title"])
    rows.sort(key=_reading_order)
    for creator, group in groupby(rows, key=lambda row: row["creator"]):
        yield creator, list(group)


def creator_order(creator: str) -> tuple[bool, str, str]:
    """Return the place of a creator among others: by letters, and those who are not stated last."""
    return not creator, creator.casefold(), creator


def _reading_order(row: Row) -> tuple[bool, str, str, str, str, str]:
    return *creator_order(row["creator"]), row["title"].casefold(), row["title"], row["sha256"]


def credits_txt(account: Account) -> bytes:
    """Return every credit as plain text, a line for each picture: title, author, source, license, and changes.

    The form is that which Creative Commons recommends. UTF-8; no source's text can begin a line of its own.
    """
    name, total = account.manifest.name, account.credits.num_rows
    lines = [
        f"Credits of {plain(name)}: {total:,} pictures",
        "One line for each picture: title, author, source, license, and what was changed.",
    ]
    for creator, pictures in by_creator(account.credits):
        lines += ["", f"{creator or 'Creator not stated'} ({len(pictures):,})"]
        lines += [f"  {credit_line(row)}" for row in pictures]
    return "".join(f"{line}\n" for line in lines).encode()


def credit_line(row: Row) -> str:
    """Return one credit as one line of plain text."""
    title = plain(row["title"])
    creator, creator_url = plain(row["creator"]), plain_url(row["creator_url"])
    by = (creator or "a creator who is not stated") + (f" ({creator_url})" if creator_url else "")
    license_page = plain_url(row["license_url"])
    parts = [
        f'"{title}" by {by}' if title else f"Untitled picture by {by}",
        source_words(row),
        licensed_as(row["license"]) + (f" ({license_page})" if license_page else ""),
        plain(row["changes"]),
    ]
    return ", ".join(filter(None, parts))


def source_words(row: Row) -> str:
    """Return where a picture can be found, in plain text: its page, or the file in the folder that its source is."""
    url = row["source_url"] or ""
    if url.startswith(HELD):
        return f"the file {plain(unquote(url.removeprefix(HELD)))} of {plain(row['record_id'].partition(':')[0])}"
    return plain_url(url) or ""
