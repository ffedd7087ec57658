"""Ask the APIs of sources which license they state now. Wikimedia Commons answers for fifty pictures at once."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from byline.catalog.corpora.packs import Outcome
from byline.catalog.digests import canonical_json
from byline.catalog.errors import ConfigError
from byline.pipelines.fetching.transport import Answer, Transport
from byline.pipelines.rights.recheck.asking import GONE, Stated
from byline.pipelines.sources.readers.commons import LICENSE_FIELDS

PAGES_AT_ONCE = 50
"""What MediaWiki answers for at most, in one request of somebody who is not logged in as a bot."""
MAX_CONTINUED = 20
LAGGED = frozenset({"maxlag", "ratelimited", "readonly"})
"""Errors of MediaWiki that pass."""
ATTEMPTS = 3


class SourceApi(Protocol):
    """Where a source is asked for the licenses of its pictures."""

    at_once: int
    """Pictures that one request asks about."""

    async def ask(self, ids: Sequence[str], transport: Transport) -> Mapping[str, Stated]:
        """Return what is stated of each picture by the source's own id; what was not answered is left out."""


@dataclass(frozen=True, kw_only=True)
class CommonsApi:
    """MediaWiki's `action=query`, by page ids."""

    base: str
    """URL of the API: `https://commons.wikimedia.org/w/api.php`"""
    pause_s: float = 5.0
    """Pause before it is asked again when it says that its servers lag behind, in seconds."""
    at_once: int = field(default=PAGES_AT_ONCE, init=False)

    async def ask(self, ids: Sequence[str], transport: Transport) -> Mapping[str, Stated]:
        """Return what is stated of each page: its license, or that it is missing."""
        pages = {id.removeprefix("M"): id for id in ids}
        query = {
            "action": "query",
            "format": "json",
            "formatversion": "2",
            "prop": "imageinfo",
            "iiprop": "extmetadata",
            "iiextmetadatafilter": "|".join(LICENSE_FIELDS),
            "pageids": "|".join(pages),
            "maxlag": "5",
        }
        stated: dict[str, Stated] = {}
        more: dict[str, str] = {}
        for _ in range(MAX_CONTINUED):
            answer = await self._query({**query, **more}, transport)
            for page in _listed((answer.get("query") or {}).get("pages")):
                id = pages.get(str(page.get("pageid")))
                if id is not None and (claims := _claims_of_page(page)) is not None:
                    stated[id] = Stated(license_claims=claims or None, asked=self.base)
            more = {str(name): str(value) for name, value in (answer.get("continue") or {}).items()}
            if not more:
                break
        return stated

    async def _query(self, query: Mapping[str, str], transport: Transport) -> dict[str, Any]:
        for attempt in range(1, ATTEMPTS + 1):
            answer = _json_of(await transport.get(f"{self.base}?{urlencode(query)}"))
            error = answer.get("error")
            if not isinstance(error, dict) or error.get("code") not in LAGGED:
                return answer
            if attempt < ATTEMPTS:
                await asyncio.sleep(self.pause_s * attempt)
        return {}


@dataclass(frozen=True, kw_only=True)
class OpenverseApi:
    """Openverse's `/v1/images/<id>/`, one picture a request."""

    base: str
    """URL of the API: `https://api.openverse.org`"""
    at_once: int = field(default=1, init=False)

    async def ask(self, ids: Sequence[str], transport: Transport) -> Mapping[str, Stated]:
        """Return what is stated of each picture: its license, or that Openverse does not have it any longer."""
        stated = {}
        for id in ids:
            url = f"{self.base.rstrip('/')}/v1/images/{quote(id, safe='')}/"
            answer = await transport.get(url)
            if answer.outcome == Outcome.HTTP_ERROR and answer.message in GONE:
                stated[id] = Stated(license_claims=None, asked=url)
            elif claims := _claims_of_result(_json_of(answer)):
                stated[id] = Stated(license_claims=claims, asked=url)
        return stated


APIS = {"commons": CommonsApi, "openverse": OpenverseApi}
"""Reader of a source -> its API."""


def apis_of(bases: Mapping[str, str], readers: Mapping[str, str]) -> dict[str, SourceApi]:
    """Return the API of each source in `bases`, source -> address. Raises `ConfigError` for what has none."""
    apis: dict[str, SourceApi] = {}
    for source, base in bases.items():
        if source not in readers:
            raise ConfigError(f"--api {source}=...: no source of the release; they are {', '.join(sorted(readers))}")
        if readers[source] not in APIS:
            raise ConfigError(f"--api {source}=...: byline knows no API of reader {readers[source]}; drop it")
        if not base.startswith(("http://", "https://")):
            raise ConfigError(f"--api {source}={base}: an address must begin with http:// or https://")
        apis[source] = APIS[readers[source]](base=base)
    return apis


def _claims_of_page(page: Mapping[str, Any]) -> str | None:
    """Return the claims of a page as JSON, empty for a page that is missing, none where the answer is not complete."""
    if page.get("missing", False) is not False or page.get("invalid", False) is not False:
        return ""
    info = page.get("imageinfo")
    if not isinstance(info, list) or not info or not isinstance(info[0], dict):
        return None
    metadata = info[0].get("extmetadata") or {}  # MediaWiki writes an empty one as a list
    values = {name: entry.get("value") for name, entry in metadata.items() if isinstance(entry, dict)}
    return canonical_json([(name, str(values[name])) for name in LICENSE_FIELDS if values.get(name)]).decode()


def _claims_of_result(result: Mapping[str, Any]) -> str | None:
    slug = " ".join(str(result[name]) for name in ("license", "license_version") if result.get(name))
    claims = (("license", slug), ("license_url", str(result.get("license_url") or "")))
    return canonical_json([(name, text) for name, text in claims if text]).decode() if slug else None


def _listed(pages: Any) -> list[dict[str, Any]]:
    listed = pages.values() if isinstance(pages, dict) else pages
    return [page for page in listed or () if isinstance(page, dict)]


def _json_of(answer: Answer) -> dict[str, Any]:
    """Return the object that an answer holds; an empty one for everything else."""
    try:
        parsed = json.loads(answer.body or b"")
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}
