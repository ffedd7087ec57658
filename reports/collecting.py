"""Collect what the report shows of a release: every record with its verdict, thumbnail and credit."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any

from PIL import Image

from byline.catalog.corpora.manifest import Release, shard_table_path
from byline.catalog.licenses.reading import license_url
from byline.pages.html import picture_url, safe_url
from byline.pipelines.facts.measures import THUMBNAIL_SIDE_PX, thumbnail_facts
from byline.pipelines.releases.papers.distances import distance_text
from byline.pipelines.releases.papers.escaping import plain

THUMBNAIL_PX = THUMBNAIL_SIDE_PX
"""Side of a cell of the atlas."""
ATLAS_COLUMNS = 40
MAX_ROWS = 20_000
"""Records on the page, to whole packs: a browser shows no more at ease, and a JPEG has 65,500 lines at most."""
MAX_CHARACTERS = 200
"""Longest title or creator that is shown, in characters."""
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """What the page needs, as plain data."""

    rows: list[Row]
    """One for each record: verdict, credit, `cell` (place of its thumbnail in the atlas; none where none is kept)."""
    atlas: str
    """All thumbnails in one JPEG, as a data URL."""
    funnel: list[tuple[str, int]]
    """What is left after each step: its words, and the number of records."""


def collect(release: Release, count: Callable[[int], None] = lambda _: None) -> ReportData:
    """Read the verdicts, records and pictures of a release. `count` is told of records as they pass."""
    rows: list[Row] = []
    thumbnails: dict[str, bytes] = {}
    for verdicts, records, captions, pictures in _packs(release):
        thumbnails |= pictures
        for verdict in verdicts:
            rows.append(_row(verdict, records[verdict["record_id"]], captions.get(verdict["record_id"])))
        count(len(verdicts))
        if len(rows) >= MAX_ROWS:
            break
    cells = {sha256: cell for cell, sha256 in enumerate(sorted(thumbnails))}
    for row in rows:
        row["cell"] = cells.get(row["sha256"])
    return ReportData(rows=rows, atlas=_atlas([thumbnails[sha256] for sha256 in cells]), funnel=_funnel(rows))


_Pack = tuple[list[Row], dict[str, Row], dict[str, str], dict[str, bytes]]
"""Verdicts; records, by id; captions of what is released, by record; thumbnails, by digest."""


def _packs(release: Release) -> Iterator[_Pack]:
    store = release.store
    records = {
        row["record_id"]: row
        for path in release.manifest.records.values()
        for row in store.read_table(path).to_pylist()
    }
    for name in sorted(release.manifest.papers):
        if not name.startswith("verdicts/"):
            continue
        verdicts = store.read_table(f"{release.path}/{name}").to_pylist()
        pack = PurePosixPath(name).stem
        captions: dict[str, str] = {}
        for shard in release.manifest.shards:
            if shard.pack == pack:
                table = store.read_table(shard_table_path(shard.name), ["record_id", "caption"])
                captions |= dict(zip(*(column.to_pylist() for column in table.columns), strict=True))
        shown = {row["sha256"] for row in verdicts if row["outcome"] == "fetched"}
        facts = thumbnail_facts(store).read(pack).to_pylist()
        yield verdicts, records, captions, {fact["sha256"]: fact["jpeg"] for fact in facts if fact["sha256"] in shown}


def _row(verdict: Row, record: Row, caption: str | None) -> Row:
    shown = (
        "record_id",
        "admitted",
        "reasons",
        "license",
        "outcome",
        "sha256",
        "split",
    )
    distance = {name: verdict.get(name) for name in ("distance_bits", "view", "cosine")}
    return {
        **{name: verdict[name] for name in (*shown, "keeper_record_id", "keeper_sha256")},
        **distance,
        "distance": distance_text(**distance) if verdict["keeper_record_id"] else None,
        "license_seen": plain(verdict["license_seen"]),
        "caption": plain(caption),
        "title": plain(record["title"])[:MAX_CHARACTERS],
        "creator": plain(record["creator"])[:MAX_CHARACTERS],
        "source_url": safe_url(record["landing_url"] or record["url"]),
        "license_url": license_url(verdict["license"]),
    }


def _atlas(thumbnails: list[bytes]) -> str:
    num_rows = max(1, -(-len(thumbnails) // ATLAS_COLUMNS))
    size = (ATLAS_COLUMNS * THUMBNAIL_PX, num_rows * THUMBNAIL_PX)
    atlas = Image.new("RGB", size, "white")
    for cell, jpeg in enumerate(thumbnails):
        row, column = divmod(cell, ATLAS_COLUMNS)
        with Image.open(BytesIO(jpeg)) as image:
            left = column * THUMBNAIL_PX + (THUMBNAIL_PX - image.width) // 2
            top = row * THUMBNAIL_PX + (THUMBNAIL_PX - image.height) // 2
            atlas.paste(image, (left, top))
    return picture_url(atlas, "JPEG", quality=80)


def _funnel(rows: list[Row]) -> list[tuple[str, int]]:
    steps: Counter[str] = Counter()
    for row in rows:
        kinds = {reason.split(":")[0] for reason in row["reasons"]}
        steps["licensed"] += not kinds & {"license", "creator"}
        steps["fetched"] += not kinds & {"license", "creator", "fetch"}
        steps["usable"] += not kinds - {"duplicate"}
        steps["released"] += not kinds
    return [
        ("records that the sources offer", len(rows)),
        ("license and credit admitted", steps["licensed"]),
        ("picture fetched and decoded", steps["fetched"]),
        ("large, sharp and captioned enough", steps["usable"]),
        ("released, one of each duplicate", steps["released"]),
    ]
