"""Find license tags of a whole set that its rows contradict: in byline's releases and in any Hugging Face dataset."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from byline.catalog.disk import layout
from byline.catalog.errors import CorpusError
from byline.catalog.licenses.reading import (
    CONTRADICTED,
    MISSING,
    UNKNOWN,
    choices,
    family,
    has_version,
    read_claims,
    read_license,
)
from byline.pipelines.releases.papers.front_matter import front_matter

SILENT_TAGS = ("other", "unknown")
"""Tags that promise nothing, so that no row can contradict them."""
_UNREAD = {
    UNKNOWN: "state no license that can be read",
    MISSING: "state no license",
    CONTRADICTED: "contradict themselves",
}
_TERMS = {
    "NC": "forbids commercial use",
    "ND": "forbids adaptations",
    "SA": "asks that adaptations keep the license",
    "BY": "asks for credit",
}
"""Element of a Creative Commons license -> what it adds to those without it, the gravest first."""
_FREE = ("CC0", "CC-PDM", "CC-PDDC", "public-domain", "no-known-restrictions", "US-government")
_COLUMNS = ("license", "licenseurl", "licensename")
_BATCH = 1 << 16


def contradictions(tag: str, licenses: Mapping[str, int]) -> list[str]:
    """Return a line for each license of rows that the tag of their set does not tell the truth about.

    `tag` is a Hub tag, a URL or an SPDX id, or several with commas between them: then one of them must fit. `licenses`
    are SPDX ids with their counts. Rows that ask for less than the tag are no contradiction: who obeys it obeys them.
    """
    tags = [part.strip() for part in tag.split(",") if part.strip()]
    total = sum(licenses.values())
    if not total or not tags or any(name.lower() in SILENT_TAGS for name in tags):
        return []
    promised = {name: _read_tag(name) for name in tags}
    unread = [name for name, spdx in promised.items() if spdx == UNKNOWN]
    lines = [
        f"the tag {name} names no license that can be read; {total:,} rows cannot be held to it" for name in unread
    ]
    readable = {name: spdx for name, spdx in promised.items() if spdx != UNKNOWN}
    if not readable:
        return lines
    for row, count in sorted(licenses.items(), key=lambda item: (-item[1], item[0])):
        akin = {name: spdx for name, spdx in readable.items() if family(spdx) == family(row)} or readable
        faults = [(name, _fault(row, spdx)) for name, spdx in akin.items()]
        if count and all(fault for _, fault in faults):
            lines.append(f"{count:,} of {total:,} rows {_are(row)}; the tag {faults[0][0]} {faults[0][1]}")
    return lines


def lint_folder(path: str | Path) -> list[str]:
    """Return what the rows in a folder contradict, a line each: a release of byline, or a Hugging Face dataset.

    Read are the license of README.md, that of croissant.json where there is one, and the rows: of a release its
    credits.parquet, of a dataset the columns `license`, `licenseurl`, `license_url` and `licensename` of all its
    Parquet files. Raises `CorpusError` when there is no card or no such row, or a file cannot be read.
    """
    folder = _version_of(Path(path))
    tags = {"README.md": _card_tags(folder)}
    if (folder / "croissant.json").is_file():
        tags["croissant.json"] = _croissant_tags(folder / "croissant.json")
    licenses = row_licenses(folder)
    lines = []
    for name, stated in tags.items():
        if not stated:
            lines.append(f"{name}: states no license; its {sum(licenses.values()):,} rows state {len(licenses)}")
        lines += [f"{name}: {line}" for line in contradictions(", ".join(stated), licenses)]
    return lines


def row_licenses(folder: Path) -> Counter[str]:
    """Return the licenses of a folder's rows with their counts, read by `catalog.licenses.reading`."""
    credits = folder / "credits.parquet"
    is_release = credits.is_file() and (folder / layout.MANIFEST).is_file()
    files = [credits] if is_release else sorted(folder.rglob("*.parquet"))
    counts: Counter[str] = Counter()
    for file in files:
        for claims, count in _claims(file).items():
            counts[_read_row(claims, is_spdx=is_release)] += count
    if not counts:
        raise CorpusError(
            f"{folder} has no rows with a license: no Parquet file with a column {', '.join(_COLUMNS)} or license_url"
        )
    return counts


def _version_of(folder: Path) -> Path:
    """Return the folder itself, or of `releases/<name>` the newest version."""
    if not folder.is_dir():
        raise CorpusError(f"no folder {folder}; name a release or a dataset on this disk")
    latest = folder / layout.LATEST
    return folder / latest.read_text(encoding="utf-8").strip() if latest.is_file() else folder


def _card_tags(folder: Path) -> list[str]:
    card = folder / "README.md"
    if not card.is_file():
        raise CorpusError(f"{folder} has no README.md; a dataset's card says which license its rows are offered under")
    stated = front_matter(card.read_text(encoding="utf-8", errors="replace"), str(card)).get("license")
    return [str(tag) for tag in (stated if isinstance(stated, list) else [stated]) if tag]


def _croissant_tags(file: Path) -> list[str]:
    try:
        stated = json.loads(file.read_bytes()).get("license")
    except (ValueError, AttributeError, RecursionError) as error:
        raise CorpusError(f"{file} is not the JSON of a Croissant dataset: {error}") from error
    listed = stated if isinstance(stated, list) else [stated]
    named = [entry.get("url") or entry.get("name") if isinstance(entry, Mapping) else entry for entry in listed]
    return [str(name) for name in named if name]


Claims = tuple[tuple[str, str], ...]


def _claims(file: Path) -> Counter[Claims]:
    """Return what the license columns of a Parquet file say, with the number of rows that say it; {} without such."""
    claims: Counter[Claims] = Counter()
    try:
        parquet = pq.ParquetFile(file, pre_buffer=False)
        names = [name for name in parquet.schema_arrow.names if re.sub(r"[^a-z]", "", name.lower()) in _COLUMNS]
        if not names:
            return claims
        for batch in parquet.iter_batches(batch_size=_BATCH, columns=names, use_threads=False):
            claims.update(_counted(batch, names))
    except (pa.ArrowException, OSError) as error:
        raise CorpusError(f"{file} is not a readable Parquet file: {str(error).splitlines()[0]}") from error
    return claims


def _counted(batch: pa.RecordBatch, names: list[str]) -> dict[Claims, int]:
    table = pa.table({name: batch.column(name).cast(pa.string()) for name in names})
    groups: list[dict[str, Any]] = table.group_by(names, use_threads=False).aggregate([([], "count_all")]).to_pylist()
    counted: Counter[Claims] = Counter()
    for row in groups:
        counted[tuple((name, row[name] or "") for name in names)] += row["count_all"]
    return counted


def _read_row(claims: Claims, *, is_spdx: bool) -> str:
    """Return the license of a row. A release states the SPDX id itself; what others state is read."""
    if is_spdx:
        return dict(claims).get("license") or MISSING
    return read_claims(claims).spdx


def _read_tag(tag: str) -> str:
    """Return what a tag promises. byline's own `LicenseRef-` ids, which no source writes, are taken as they are."""
    if tag.startswith("LicenseRef-") and tag not in _UNREAD:
        return tag
    return read_license(tag).spdx


def _are(row: str) -> str:
    return _UNREAD.get(row) or f"are {row}"


def _fault(row: str, tag: str) -> str:
    """Return how the tag misleads about a row with this license; empty when it does not."""
    if row in _UNREAD:
        return "promises one"
    faults = [_fault_of_one(side, tag) for side in choices(row)]
    return "" if "" in faults else faults[0]


def _fault_of_one(row: str, tag: str) -> str:
    """The same for a license that is not a choice."""
    kind, promised = family(row), family(tag)
    if row in choices(tag) or kind in _FREE:
        return ""
    if kind == promised:
        return _fault_of_version(row, tag)
    if more := [text for element, text in _TERMS.items() if element in _elements(kind) - _elements(promised)]:
        is_comparable = bool(_elements(promised)) or promised in _FREE
        return f"is {'more permissive' if is_comparable else 'another license'}: {row} {' and '.join(more)}"
    if "SA" in _elements(kind):
        return f"is another license: {row} {_TERMS['SA']}"
    return "" if _elements(kind) else "is another license"


def _fault_of_version(row: str, tag: str) -> str:
    if not has_version(tag):
        return ""
    if not has_version(row):
        return "names a version, which they do not"
    return f"names another {'variant' if _version(row) == _version(tag) else 'version'} of it"


def _elements(kind: str) -> set[str]:
    """Return the terms of a Creative Commons family; none for all others."""
    return set(kind.split("-")[1:]) & set(_TERMS) if kind.startswith("CC-") else set()


def _version(spdx: str) -> str:
    match = re.search(r"\d+(?:\.\d+)?", spdx)
    return match[0] if match else ""
