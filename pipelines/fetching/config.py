"""How pictures are asked for: the table `[fetch]` of a corpus config."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from byline.pipelines.fetching.places_asked import allowed, stood_for, url_prefix

AT_ONCE = 160
"""Requests of one pack that are under way at most, to all hosts."""


def _allowed(entry: str) -> str:
    allowed(entry)
    return entry


def by_prefix(places: dict[str, str]) -> dict[str, str]:
    """Return a table whose keys are prefixes of URLs. Raises `ValueError` for another key."""
    for prefix in places:
        stood_for(prefix)
    return places


def _mirrors(mirrors: dict[str, str]) -> dict[str, str]:
    for copy in by_prefix(mirrors).values():
        url_prefix(copy)
    return mirrors


class FetchConfig(BaseModel, frozen=True, extra="forbid"):
    """How pictures are asked for. None of these can change the bytes of a picture that arrives."""

    contact: str | None = Field(None, min_length=3, pattern=r"^[ -~]+$")
    """A mail address or a page, in the user agent. Needed as soon as a host of others is asked."""
    timeout_s: float = Field(20.0, gt=0)
    """Longest time that one request may take, in seconds, from the first byte sent to the last byte read."""
    first_byte_s: float = Field(10.0, gt=0)
    """Longest time, in seconds, from sending a request until the head of its answer is there."""
    max_bytes: int = Field(30_000_000, ge=1)
    per_host: int = Field(8, ge=1, le=1000)
    """Requests under way at once to one host, of all processes of this machine and all workers of a build."""
    rate_per_s: float | None = Field(None, gt=0)
    """Requests to one host in a second, of the same. If left out, `per_host` alone limits them."""
    retries: int = Field(2, ge=0)
    """How often a request is repeated after 429, 5xx, or a connection that is dropped before an answer."""
    max_wait_s: float = Field(60.0, ge=0)
    """A host that asks for a longer rest is left to a later build."""
    ask_again_after_s: float = Field(72_000.0, ge=0)
    """Least time between two attempts at one picture whose outcome may pass: 20 hours, so that a nightly build makes
    one."""
    allow: tuple[Annotated[str, AfterValidator(_allowed)], ...] = ()
    """Networks (`10.1.0.0/16`) and `name:port` that may be asked though they are not public."""
    mirrors: Annotated[dict[str, str], AfterValidator(_mirrors)] = {}
    """URL prefix -> the prefix that is asked in its place: copies of our own, so without robots.txt and at any
    address."""
