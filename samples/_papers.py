"""Write who made every picture (CREDITS.md) and the counts in README.md."""

import re
from collections import Counter
from itertools import groupby
from pathlib import Path

from samples._claims import contradicts, is_outdated, original_of
from samples._drawings import Drawing
from samples._photographs import Photograph
from samples._records import Picture, commons_title, license_url

_HEAD = """# Credits

Every picture shipped in this folder, by license and creator, with its title and the page that it
came from. All were changed: photographs were made smaller (longest side 256 px) and saved as JPEG,
some were cut to a square; drawings were rendered at 80 px with at most 64 colors. Pictures under a
ShareAlike license stay under that license here. Names, titles, licenses and pages are spelled as
the packages spell them. Written by `build.py`.
"""
_COUNTS = re.compile(r"(?<=<!-- counts -->\n).*?(?=<!-- /counts -->)", re.DOTALL)


def write_papers(
    samples: Path,
    photographs: list[tuple[Photograph, Picture]],
    drawings: list[tuple[Drawing, Picture]],
    *,
    num_commons: int,
) -> None:
    credits = [_photograph_credit(*row) for row in photographs if row[1].num_bytes]
    credits += [_drawing_credit(*row) for row in drawings if row[1].num_bytes]
    (samples / "CREDITS.md").write_text(_credits_text(credits), encoding="utf-8")
    readme = samples / "README.md"
    if readme.exists():
        counts = _counts_text(photographs, drawings, num_commons)
        text = _COUNTS.sub(lambda _: counts, readme.read_text(encoding="utf-8"))
        readme.write_text(text, encoding="utf-8")


def _photograph_credit(photograph: Photograph, picture: Picture) -> tuple[str, str, str]:
    claim = photograph.claim
    title = commons_title(claim.page) or photograph.title
    page = f"<{claim.page}>" if claim.page else "no page given"
    original = original_of(claim)
    note = f"; from a photograph by {original.creator}, {original.license}" if original else ""
    link = license_url(claim.license)
    heading = f"{claim.license} ({link})" if link else claim.license
    return heading, claim.creator, f"- {picture.path}: {title}, {page}{note}"


def _drawing_credit(drawing: Drawing, picture: Picture) -> tuple[str, str, str]:
    creator = f"{drawing.creator}, {drawing.project} <{drawing.page}>"
    return (
        f"{drawing.license_title} ({drawing.license_url})",
        creator,
        f"- {picture.path}: {drawing.title}",
    )


def _credits_text(credits: list[tuple[str, str, str]]) -> str:
    parts = [_HEAD]
    for heading, of_license in groupby(sorted(credits), key=lambda credit: credit[0]):
        parts.append(f"\n## {heading}\n")
        for creator, of_creator in groupby(of_license, key=lambda credit: credit[1]):
            lines = "\n".join(line for _, _, line in of_creator)
            parts.append(f"\n### {creator}\n\n{lines}\n")
    return "".join(parts)


def _counts_text(
    photographs: list[tuple[Photograph, Picture]],
    drawings: list[tuple[Drawing, Picture]],
    num_commons: int,
) -> str:
    files = {
        "sources/commons.json": [(row[0].claim.license, row[1]) for row in photographs[:num_commons]],
        "sources/yfcc.tsv": [(row[0].claim.license, row[1]) for row in photographs[num_commons:]],
        "sources/openverse.json": [(f"{d.license} {d.license_version}".strip(), p) for d, p in drawings],
    }
    lines = [
        "| source | records | with bytes | licenses as spelled: records |",
        "|---|---:|---:|---|",
    ]
    for file, rows in files.items():
        num_shipped = sum(picture.num_bytes > 0 for _, picture in rows)
        spellings = sorted(Counter(license or "(none)" for license, _ in rows).items())
        listed = ", ".join(f"{license}: {count}" for license, count in spellings)
        lines.append(f"| `{file}` | {len(rows)} | {num_shipped} | {listed} |")
    claims = [row[0].claim for row in photographs]
    num_contradicted = sum(map(contradicts, claims[:num_commons]))
    num_outdated = sum(map(is_outdated, claims))
    num_public_domain = sum(
        picture.num_bytes > 0 and row.claim.license.lower() == "public domain" for row, picture in photographs
    )
    lines.append(f"""
Photographs shipped on a bare public-domain claim: {num_public_domain}. Commons records that
debian/copyright contradicts: {num_contradicted}. Photographs of which debian/copyright describes an
older picture under another license: {num_outdated}.""")
    return "\n".join(lines) + "\n"
