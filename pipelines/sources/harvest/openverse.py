"""What to ask Openverse: its image search, page after page, as far as it lets one go."""

import os
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from byline.catalog.errors import ConfigError, SourceError
from byline.pipelines.sources.harvest.asking import Asker, Complaint, checked_api

API = "https://api.openverse.org"
CLIENT_ID, CLIENT_SECRET = "OPENVERSE_CLIENT_ID", "OPENVERSE_CLIENT_SECRET"
RENEW_S = 60
"""How long before a token ends another one is asked for, in seconds."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
FILTERS = ("q", "license", "license_type", "source", "extension", "category", "creator")


class Openverse:
    """The requests of one harvest, each following from the answer before it. Keys come from the environment only."""

    name = "Openverse"

    def __init__(self, api: str, filters: Mapping[str, str], page_size: int, key: tuple[str, str] | None) -> None:
        self.api = checked_api(api)
        self.asked = {**filters, "page_size": str(page_size)}
        self.key = key
        self.token = ""
        self.token_ends_at = 0.0

    def first(self) -> str:
        """Return the request for the first page."""
        return self._url(1)

    def after(self, request: str, answer: dict[str, Any]) -> str | None:
        """Return the request for the next page, none after the last one that Openverse gives.

        Raises `ConfigError` when the request is none of this harvest.
        """
        page = dict(parse_qsl(request.partition("?")[2])).get("page", "")
        if not page.isdecimal() or request != self._url(int(page)):
            raise ConfigError("the last answer in --out was to another request; give another file as --out")
        num_pages = answer.get("page_count")
        if not isinstance(num_pages, int):
            raise SourceError(f"{self.name} does not say how many pages there are, but {num_pages!r:.60}; check --api")
        return self._url(int(page) + 1) if int(page) < num_pages else None

    def pictures_in(self, answer: dict[str, Any]) -> int:
        """Return how many results an answer has."""
        results = answer.get("results")
        return len(results) if isinstance(results, list) else 0

    def total_of(self, answer: dict[str, Any]) -> int | None:
        """Return how many results the search has; Openverse may not give all."""
        total = answer.get("result_count")
        return total if isinstance(total, int) else None

    def remark_on(self, answer: dict[str, Any], pictures: int) -> str | None:
        """Return what to say after the last page when there are more results than Openverse gives."""
        total = self.total_of(answer)
        if total is None or total <= pictures:
            return None
        return (
            f"Openverse gives {pictures:,} of the {total:,} results of one search (page {answer.get('page_count')} is "
            "the last). Narrow it (--source, --license, --q) to get at others, or ask Openverse for more access"
        )

    def complaint_in(self, status: int, answer: dict[str, Any]) -> Complaint | None:
        """Return what Openverse has against a request."""
        if status == 200:
            if isinstance(answer.get("results"), list):
                return _complaint_of_page(answer)
            if "results" in answer:
                return Complaint(text=f"its results are {answer['results']!r:.60}, no list", may_pass=True)
            if "access_token" in answer:
                return None
            return Complaint(text=f"neither results nor an error, but {', '.join(sorted(answer)) or 'nothing'}")
        words = answer.get("detail") or answer.get("error_description") or answer.get("error")
        message = str(words) if words else "; ".join(f"{key}: {value}" for key, value in sorted(answer.items()))
        for secret in filter(None, (*(self.key or ()), self.token)):
            message = message.replace(secret, "...")
        if status in (401, 403) and self.key:
            return Complaint(text=f"the key in {CLIENT_ID} and {CLIENT_SECRET} is refused ({message}); check both")
        if status in (401, 403):
            return Complaint(text=f"{message}; set {CLIENT_ID} and {CLIENT_SECRET} to a key of yours")
        return Complaint(text=message or f"status {status}")

    async def headers(self, asker: Asker) -> dict[str, str]:
        """Return what shows the key: a token, asked for anew before it ends. Nothing without a key."""
        if self.key is None:
            return {}
        if time.monotonic() >= self.token_ends_at:
            form = {"grant_type": "client_credentials", "client_id": self.key[0], "client_secret": self.key[1]}
            answered = await asker.ask(f"{self.api}/v1/auth_tokens/token/", self, form=form)
            token, lasts_s = answered.answer.get("access_token"), answered.answer.get("expires_in")
            if not (isinstance(token, str) and token.isascii() and token.isprintable()):
                raise SourceError(f"{self.name} answers the key in {CLIENT_ID} with no token; check --api")
            self.token = token
            lasts_s = lasts_s if isinstance(lasts_s, int | float) else 0
            self.token_ends_at = time.monotonic() + max(lasts_s - RENEW_S, RENEW_S)
        return {"Authorization": f"Bearer {self.token}"}

    def _url(self, page: int) -> str:
        return f"{self.api}/v1/images/?{urlencode(sorted({**self.asked, 'page': str(page)}.items()))}"


def _complaint_of_page(answer: dict[str, Any]) -> Complaint | None:
    """Return what is odd about a page without results that is not the last: pages could go on so without end."""
    page, num_pages = answer.get("page", 1), answer.get("page_count")
    if answer["results"] or not (isinstance(page, int) and isinstance(num_pages, int)) or page >= num_pages:
        return None
    return Complaint(text=f"page {page} of {num_pages:,} has no results", may_pass=True)


def openverse(*, page_size: int, api: str = API, **filters: str | None) -> Openverse:
    """Return what to ask. Raises `ConfigError` for half a key, and for a key that would travel in the open."""
    asked = {name: value for name, value in filters.items() if value}
    if unknown := sorted(set(asked) - set(FILTERS)):
        raise ConfigError(f"Openverse has no filter {unknown[0]!r}; known: {', '.join(FILTERS)}")
    return Openverse(api, asked, page_size, key_in_environment(api))


def key_in_environment(api: str) -> tuple[str, str] | None:
    """Return client id and secret, none when neither is set."""
    values = [os.environ.get(name, "").strip() for name in (CLIENT_ID, CLIENT_SECRET)]
    if not any(values):
        return None
    if not all(values):
        missing = (CLIENT_ID, CLIENT_SECRET)[values.index("")]
        raise ConfigError(f"{missing} is not set, but the other half of the key is; set both or neither")
    parts = urlsplit(checked_api(api))
    if parts.scheme != "https" and parts.hostname not in LOOPBACK:
        raise ConfigError(f"the key in {CLIENT_ID} is sent over https only; give an https URL as --api, or unset it")
    return values[0], values[1]
