"""Lay out what the report shows as one HTML page that needs no other file."""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from byline.catalog.corpora.manifest import Release
from byline.catalog.digests import digest_of, sha256_hex
from byline.cli.report_data import ATLAS_COLUMNS, THUMBNAIL_PX, ReportData, Row
from byline.pipelines.releases.papers.distances import nearest_first

MAX_CLUSTERS = 48


def fingerprint(release: Release, drawn: list[Any]) -> str:
    """Return a digest of the release, of what is drawn from which checkpoint, and of the code that lays it out."""
    here = Path(__file__).parent
    code = [sha256_hex((here / name).read_bytes()) for name in sorted(path.name for path in here.glob("report*"))]
    return digest_of([release.manifest.digest, drawn, code])


def is_up_to_date(path: Path, shown: str) -> bool:
    """Tell whether the page at `path` has this fingerprint."""
    if not path.exists():
        return False
    with path.open(encoding="utf-8") as file:
        return shown in file.read(500)


def page(release: Release, data: ReportData, model: dict[str, Any] | None, shown: str) -> str:
    """Return the page, which carries its fingerprint `shown`. Everything that a source said is escaped."""
    environment = Environment(loader=PackageLoader("byline.cli", "."), autoescape=True)
    environment.filters["thousands"] = lambda number: f"{number:,}"
    manifest = release.manifest
    clusters = _clusters(data.rows)
    return environment.get_template("report.html.j2").render(
        name=release.name,
        version=release.version,
        policy=manifest.policy_digest[:16],
        counts=manifest.counts,
        licenses=sorted(manifest.licenses.items(), key=lambda item: -item[1]),
        num_creators=len({row["creator"] for row in data.rows if row["admitted"] and row["creator"]}),
        funnel=data.funnel,
        reasons=_reasons(data.rows),
        num_clusters=len(clusters),
        clusters=clusters[:MAX_CLUSTERS],
        atlas=data.atlas,
        cell_px=THUMBNAIL_PX,
        columns=ATLAS_COLUMNS,
        rows_json=_script_json(data.rows),
        model=model,
        num_shown=len(data.rows),
        fingerprint=shown,
    )


def _script_json(rows: list[Row]) -> Markup:
    """Return JSON that cannot end the script element it stands in."""
    text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


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
            "seen": examples[reason]["license_seen"] or "",
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
            "keeper": _placed(by_id[keeper]),
            "members": [
                _placed(row)
                for row in sorted(group, key=lambda row: nearest_first(row["distance_bits"], row["cosine"]))
            ],
        }
        for keeper, group in ordered
    ]


def _placed(row: Row) -> Row:
    line, column = divmod(row["cell"] or 0, ATLAS_COLUMNS)
    place = f"background-position: -{column * THUMBNAIL_PX}px -{line * THUMBNAIL_PX}px"
    return {**row, "place": place}
