"""Write records as Wikimedia Commons, Openverse and YFCC100M write theirs."""

import hashlib
import html
import re
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, unquote

from samples._claims import Claim, contradicts, original_of
from samples._drawings import Drawing
from samples._photographs import Photograph

HOST = "https://samples.byline.example"
COMMONS_PAGE = "https://commons.wikimedia.org/wiki/File:"


@dataclass(frozen=True, kw_only=True)
class Picture:
    """The bytes that a record's URL gives. `num_bytes` is 0 where nothing is served there."""

    path: str
    width: int
    height: int
    num_bytes: int

    @property
    def url(self) -> str:
        return f"{HOST}/{self.path}"


def commons_title(page: str) -> str:
    """Return the title of the Commons file page at this address, or nothing if it is none."""
    if not page.startswith(COMMONS_PAGE):
        return ""
    return unquote(page.removeprefix(COMMONS_PAGE)).replace("_", " ")


def commons_page(photograph: Photograph, picture: Picture) -> dict[str, Any]:
    """Return one page of an `action=query&prop=imageinfo` answer, its values in HTML."""
    claim = photograph.claim
    title = commons_title(claim.page)
    info = {"size": picture.num_bytes, "width": picture.width, "height": picture.height}
    return {
        "pageid": number_from(f"File:{title}", digits=9),
        "ns": 6,
        "title": f"File:{title}",
        "imagerepository": "local",
        "imageinfo": [
            (info if picture.num_bytes else {})
            | {"url": picture.url, "descriptionurl": claim.page, "mime": "image/jpeg"}
            | {"extmetadata": _extmetadata(photograph, title)}
        ],
    }


def _extmetadata(photograph: Photograph, title: str) -> dict[str, Any]:
    claim = photograph.claim
    values = {
        "ObjectName": title.rpartition(".")[0],
        "ImageDescription": f"<p>{html.escape(_words(photograph.title))}</p>",
        "Artist": _artist_html(claim),
        "Credit": _credit_html(claim),
        "LicenseShortName": html.escape(claim.license),
        "LicenseUrl": license_url(claim.license),
        "AttributionRequired": str("by" in claim.license.lower()).lower(),
    }
    if contradicts(claim):
        values["UsageTerms"] = html.escape(claim.debian_license)
        values["Permission"] = f"<p>debian/copyright of gcompris-qt 3.1-2: {html.escape(claim.debian_license)}</p>"
    return {key: {"value": value, "source": "commons-desc-page"} for key, value in values.items() if value}


def _artist_html(claim: Claim) -> str:
    creator = f"<bdi>{html.escape(claim.creator)}</bdi>"
    original = original_of(claim)
    if original is None:
        return creator
    return f"<bdi>{html.escape(original.creator)}</bdi>, adapted by {creator}"


def _credit_html(claim: Claim) -> str:
    page = html.escape(claim.page)
    link = f'<a rel="nofollow" class="external free" href="{page}">{page}</a>'
    return f"{link}<br>{html.escape(claim.comment)}" if claim.comment else link


def openverse_result(drawing: Drawing, picture: Picture) -> dict[str, Any]:
    """Return one result of an Openverse image search."""
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, picture.url)),
        "title": drawing.title,
        "indexed_on": None,
        "foreign_landing_url": drawing.page,
        "url": picture.url,
        "creator": drawing.creator,
        "creator_url": drawing.creator_url,
        "license": drawing.license,
        "license_version": drawing.license_version,
        "license_url": drawing.license_url,
        "provider": drawing.project,
        "source": drawing.project,
        "category": "illustration",
        "filesize": picture.num_bytes or None,
        "filetype": "png",
        "tags": [{"name": tag, "accuracy": None, "unstable__provider": "openmoji"} for tag in drawing.tags],
        "attribution": f'"{drawing.title}" by {drawing.creator} is licensed under '
        f"{drawing.license_title}. To view a copy of this license, visit {drawing.license_url}.",
        "mature": False,
        "height": picture.height or None,
        "width": picture.width or None,
    }


def yfcc_row(photograph: Photograph, picture: Picture) -> str:
    """Return one row of the 23 columns of YFCC100M; what the packages do not say is left empty."""
    claim = photograph.claim
    columns = {
        "photoid": str(number_from(picture.path, digits=11)),
        "uid": "",
        "unickname": quote_plus(claim.creator),
        "datetaken": "",
        "dateuploaded": "",
        "capturedevice": "",
        "title": quote_plus(_words(photograph.title)),
        "description": quote_plus(claim.comment),
        "usertags": ",".join(quote_plus(tag) for tag in photograph.tags),
        "machinetags": "",
        "longitude": "",
        "latitude": "",
        "accuracy": "",
        "pageurl": claim.page,
        "downloadurl": picture.url,
        "licensename": claim.license,
        "licenseurl": license_url(claim.license),
        "serverid": "",
        "farmid": "",
        "secret": "",
        "secretoriginal": "",
        "ext": "jpg",
        "marker": "0",
    }
    return "\t".join(columns.values())


def license_url(spelling: str) -> str:
    """Return the address of the CC license that a name spells out with its version."""
    match = re.fullmatch(r"CC[\s-]?(0|BY(?:-SA)?)[\s-](\d\.\d)", spelling, re.IGNORECASE)
    if match is None:
        return ""
    if match[1] == "0":
        return f"http://creativecommons.org/publicdomain/zero/{match[2]}/"
    return f"https://creativecommons.org/licenses/{match[1].lower()}/{match[2]}/"


def number_from(text: str, *, digits: int) -> int:
    """Return a stable number for a record whose real number nobody here knows."""
    number = int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest(), "big")
    return number % int(10**digits)


def _words(title: str) -> str:
    """Split a file name's words: "chateaudeChambord" is "chateaude Chambord"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", title)
