"""Read who made a picture and under which license, exactly as the packages spell it."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from debian.copyright import Copyright

RASTER = re.compile(r"\.(webp|jpe?g|png)$", re.IGNORECASE)
_FIELD = re.compile(r"^(Copyright|Source|Licen[sc]e|Files|Comments?):\s*(.*)$")
_PAGE = re.compile(r"https?://\S+")
_ORIGINAL = re.compile(r"^based on an? (?:photo|original image) by (.+?), license ([^,]+), source at (\S+)$")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a package says of one picture; an empty string where it says nothing."""

    creator: str = ""
    license: str = ""
    page: str = ""
    comment: str = ""
    debian_license: str = ""
    """What Debian's copyright file says of a file of that name."""
    debian_is_current: bool = False
    """Whether that is about the file as it is now, not about an older one."""


@dataclass(frozen=True, kw_only=True)
class Original:
    """The photograph that a picture says it was made from."""

    creator: str
    license: str
    page: str


def original_of(claim: Claim) -> Original | None:
    """Return the photograph that "based on a photo by X, license Y, source at Z" names, if any."""
    match = _ORIGINAL.match(claim.comment)
    return Original(creator=match[1], license=match[2], page=match[3]) if match else None


def read_notice(text: str) -> dict[str, Claim]:
    """Return the claim on every raster file that a GCompris README names.

    A paragraph may lack "Files:", list files after any field, or put one field on several lines.
    """
    claims: dict[str, Claim] = {}
    for paragraph in re.split(r"\n\s*\n", text):
        fields, files = _read_paragraph(paragraph)
        comment = fields.get("comment", "")
        page = fields.get("source", "") or next(iter(_PAGE.findall(comment)), "")
        claim = Claim(
            creator=fields.get("copyright", ""),
            license=fields.get("license", ""),
            page=page,
            comment=comment,
        )
        claims.update((file, claim) for file in files)
    return claims


def _read_paragraph(paragraph: str) -> tuple[dict[str, str], list[str]]:
    fields: dict[str, str] = {}
    files: list[str] = []
    field = ""
    for line in filter(None, map(str.strip, paragraph.splitlines())):
        match = _FIELD.match(line)
        if match:
            field = match[1].lower().replace("licence", "license").removesuffix("s")
            line = match[2]
        if RASTER.search(line) and "://" not in line:
            files.append(line)
        elif line and field != "file":
            fields[field] = ", ".join(filter(None, [fields.get(field, ""), line]))
    return fields, files


def read_debian_copyright(path: Path) -> Copyright:
    """Return Debian's machine-readable copyright file."""
    with path.open(encoding="utf-8") as lines:
        return Copyright(lines, strict=False)


def debian_claim(copyright_file: Copyright, path: str) -> tuple[str, str] | None:
    """Return the copyright and the license that Debian gives the file at `path`, if any.

    Debian's catch-all paragraph, "Files: *", is about the program and does not count.
    """
    paragraph: Any = copyright_file.find_files_paragraph(path)
    if paragraph is None or tuple(paragraph.files) == ("*",):
        return None
    return " ".join(paragraph.copyright.split()), paragraph.license.synopsis


def with_debian_claim(claim: Claim, path: str, copyright_file: Copyright) -> Claim:
    """Add what Debian says of the file at `path`, or of an older JPEG or PNG of the same name."""
    stem, _, extension = path.rpartition(".")
    for candidate in (extension, "jpg", "png", "JPG", "jpeg"):
        creator_and_license = debian_claim(copyright_file, f"{stem}.{candidate}")
        if creator_and_license is not None:
            return replace(claim, debian_license=creator_and_license[1], debian_is_current=candidate == extension)
    return claim


def contradicts(claim: Claim) -> bool:
    """Whether Debian gives this very file another license than the notice beside it does."""
    return claim.debian_is_current and not spelled_alike(claim.license, claim.debian_license)


def is_outdated(claim: Claim) -> bool:
    """Whether Debian gives another license to an older picture of the same name."""
    older = bool(claim.debian_license) and not claim.debian_is_current
    return older and not spelled_alike(claim.license, claim.debian_license)


def spelled_alike(text: str, other: str) -> bool:
    """Whether two license names differ in case, spaces, hyphens and the like only."""
    return _squeeze(text) == _squeeze(other)


def _squeeze(license: str) -> str:
    return re.sub(r"[\s_-]+|v(?=\d)", "", license.lower().replace(" or later", "+"))
