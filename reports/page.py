"""Lay out what the report shows as one HTML page that needs no other file."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from byline.catalog.corpora.manifest import Release
from byline.catalog.digests import digest_of, sha256_hex
from byline.pages.html import html_templates, layout_files
from byline.pipelines.releases.papers.distances import nearest_first
from byline.pipelines.releases.papers.licenses import license_words
from byline.reports.collecting import ATLAS_COLUMNS, THUMBNAIL_PX, ReportData, Row

MAX_CLUSTERS = 48
KINDS = [
    ("released", "released"),
    ("refused", "refused"),
    ("duplicates", "duplicates"),
    ("heldout", "held out"),
    ("all", "all"),
]
"""What the gallery can show -> its words."""


def fingerprint(release: Release, drawn: list[Any]) -> str:
    """Return a digest of the release, of what is drawn from which checkpoint, and of the code that lays it out."""
    own_files = sorted(path for path in Path(__file__).parent.iterdir() if path.suffix in {".py", ".j2"})
    code = [sha256_hex(path.read_bytes()) for path in (*own_files, *layout_files())]
    return digest_of([release.manifest.digest, drawn, code])


def is_up_to_date(path: Path, shown: str) -> bool:
    """Tell whether the page at `path` has this fingerprint."""
    if not path.exists():
        return False
    with path.open(encoding="utf-8") as file:
        return shown in file.read(500)


def page(release: Release, data: ReportData, model: dict[str, Any] | None, shown: str) -> str:
    """Return the page, which carries its fingerprint `shown`. Everything that a source said is escaped."""
    manifest, clusters = release.manifest, _clusters(data.rows)
    shown_clusters = clusters[:MAX_CLUSTERS]
    num_offered = len(data.rows)
    template = html_templates("byline.reports").get_template("report.html.j2")
    return template.render(
        name=release.name,
        version=release.version,
        policy=manifest.policy_digest[:16],
        counts=manifest.counts,
        totals_shown=_totals(release, data, model),
        licenses=[
            (license_words(spdx), number, number / manifest.counts["admitted"])
            for spdx, number in sorted(manifest.licenses.items(), key=lambda item: (-item[1], item[0]))
        ],
        funnel=[(step, number, number / num_offered if num_offered else 0.0) for step, number in data.funnel],
        reasons=_reasons(data.rows),
        num_clusters=len(clusters),
        clusters=shown_clusters,
        places=_places(shown_clusters),
        kinds=KINDS,
        atlas=data.atlas,
        cell_px=THUMBNAIL_PX,
        columns=ATLAS_COLUMNS,
        rows=data.rows,
        model=model,
        num_shown=num_offered,
        fingerprint=shown,
    )


def _totals(release: Release, data: ReportData, model: dict[str, Any] | None) -> list[tuple[int, str, str]]:
    counts = release.manifest.counts
    num_creators = len({row["creator"] for row in data.rows if row["admitted"] and row["creator"]})
    seen = [] if model is None else [(model["images_seen"], "image seen in training", "images seen in training")]
    return [
        (counts["records"], "record offered", "records offered"),
        (counts["admitted"], "picture released", "pictures released"),
        (num_creators, "creator credited", "creators credited"),
        (counts["duplicates"], "duplicate set aside", "duplicates set aside"),
        *seen,
    ]


def _reasons(rows: list[Row]) -> list[dict[str, Any]]:
    """Return each reason with its count and the first record that it refused, the most frequent first."""
    counts = Counter(reason for row in rows for reason in row["reasons"])
    examples: dict[str, Row] = {}
    for row in rows:
        for reason in row["reasons"]:
            examples.setdefault(reason, row)
    return [
        {
            "reason": reason,
            "count": count,
            "title": examples[reason]["title"],
            "creator": examples[reason]["creator"],
            "seen": examples[reason]["license_seen"],
        }
        for reason, count in counts.most_common()
    ]


def _clusters(rows: list[Row]) -> list[dict[str, Any]]:
    """Return every keeper with the records that it stands for, the largest first."""
    by_id = {row["record_id"]: row for row in rows}
    members: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["keeper_record_id"] and row["keeper_record_id"] != row["record_id"]:
            members[row["keeper_record_id"]].append(row)
    ordered = sorted(members.items(), key=lambda item: (-len(item[1]), item[0]))
    return [
        {
            "keeper": by_id[keeper],
            "members": sorted(group, key=lambda row: nearest_first(row["distance_bits"], row["cosine"])),
        }
        for keeper, group in ordered
    ]


def _places(clusters: list[dict[str, Any]]) -> list[tuple[int, int, int]]:
    """Return cell, left and top in the atlas of every thumbnail that clusters show."""
    cells = {row["cell"] for cluster in clusters for row in (cluster["keeper"], *cluster["members"])} - {None}
    return [(cell, cell % ATLAS_COLUMNS * THUMBNAIL_PX, cell // ATLAS_COLUMNS * THUMBNAIL_PX) for cell in sorted(cells)]
