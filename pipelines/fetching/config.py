"""How pictures are asked for: the table `[fetch]` of a corpus config."""

from pydantic import BaseModel, Field


class FetchConfig(BaseModel, frozen=True, extra="forbid"):
    """How pictures are asked for. None of these can change the bytes of a picture that arrives."""

    contact: str | None = Field(None, min_length=3, pattern=r"^[ -~]+$")
    """A mail address or a page, in the user agent. Needed as soon as a host of others is asked."""
    timeout_s: float = Field(20.0, gt=0)
    """For one request, from the first byte sent to the last byte read."""
    first_byte_s: float = Field(10.0, gt=0)
    """For one request, until the head of the answer is there."""
    max_bytes: int = Field(30_000_000, ge=1)
    per_host: int = Field(8, ge=1, le=1000)
    """Requests under way at once to one host, of all processes of this machine."""
    rate_per_s: float | None = Field(None, gt=0)
    """Requests to one host in a second, of all processes of this machine. Left out, `per_host` alone limits."""
    retries: int = Field(2, ge=0)
    """After 429, 5xx, and a connection that is dropped before an answer."""
    max_wait_s: float = Field(60.0, ge=0)
    """A host that asks for a longer rest is left to a later build."""
    allow: tuple[str, ...] = ()
    """Networks (`10.1.0.0/16`) and `name:port` that may be asked though they are not public."""
    mirrors: dict[str, str] = {}
    """URL prefix -> the prefix that is asked in its place: copies of our own, so without robots.txt and at any
    address."""
