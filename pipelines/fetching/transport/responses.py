"""What a response, or the lack of one, answers: the bytes within limits, an outcome, or where to look instead."""

import asyncio
import re
import ssl
import zlib
from dataclasses import replace

import aiohttp

from byline.catalog.corpora.packs import Outcome
from byline.pipelines.fetching.transport.addresses import refusal_in
from byline.pipelines.fetching.transport.answers import Answer, Redirect
from byline.pipelines.fetching.transport.hosts import retry_after_s
from byline.pipelines.fetching.transport.urls import redacted_in

REDIRECTS = (301, 302, 303, 307, 308)
READ_ENCODINGS, UNREAD_ENCODINGS = ("gzip", "x-gzip", "deflate"), ("br", "zstd", "compress", "x-compress", "dcb", "dcz")
LARGE_BYTES, LARGE_AT_ONCE = 4_000_000, 8
"""Bodies that grow past the first are read so many at a time, so that memory does not follow what servers send."""
_QUOTED = re.compile(r"\s*:?\s*\bb?\\*['\"].*", re.DOTALL)


async def picture_of(
    response: aiohttp.ClientResponse, *, is_conditional: bool, max_bytes: int, large: asyncio.Semaphore
) -> Answer | Redirect:
    """Return what a response answers, or where it redirects to. `large` limits large bodies that are read at once."""
    status, headers = response.status, response.headers
    if status == 304 and is_conditional:
        return Answer(outcome=Outcome.UNCHANGED, status=status)
    if status != 200:
        return _of_status(response)
    answer = _plain(await _read(response, max_bytes, large), headers.get("Content-Encoding", ""), max_bytes)
    etag, last_modified = _kept(headers.get("ETag")), _kept(headers.get("Last-Modified"))
    says_its_end = "Content-Length" in headers or "Transfer-Encoding" in headers
    return replace(answer, status=status, etag=etag, last_modified=last_modified, says_its_end=says_its_end)


async def file_of(response: aiohttp.ClientResponse, *, num_bytes: int) -> Answer | Redirect:
    """Return a text that speaks for a host, or where it redirects to: the first `num_bytes` of it, unpacked.

    2xx is the file, whichever. Without a status where its encoding is none that we read: it was not asked for.
    """
    if not 200 <= response.status < 300:
        return _of_status(response)
    packed = bytearray()
    async for block in response.content.iter_chunked(1 << 16):
        packed += block
        if len(packed) >= num_bytes:
            break
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    body = unpacked(bytes(packed[:num_bytes]), encoding, num_bytes=num_bytes)
    if body is None:
        return Answer(outcome=Outcome.HTTP_ERROR, message="sent in an encoding that was not asked for")
    return Answer(body=body, status=response.status)


def unpacked(data: bytes, encoding: str, *, num_bytes: int) -> bytes | None:
    """Return the first `num_bytes` of what was sent in a Content-Encoding, none where that cannot be read.

    Servers send gzip to those who ask for none, and call gzip what is none: the first bytes decide.
    """
    if data.startswith(b"\x1f\x8b"):
        window = zlib.MAX_WBITS | 16
    elif encoding == "deflate":
        window = zlib.MAX_WBITS if data.startswith(b"x") else -zlib.MAX_WBITS
    else:
        return data if encoding in ("", "identity", "gzip", "x-gzip") else None
    try:
        return zlib.decompressobj(window).decompress(data, num_bytes)
    except zlib.error:
        return None


def _plain(answer: Answer, encoding: str, max_bytes: int) -> Answer:
    """Return an answer with its body out of the encoding that it was sent in, unasked; `max_bytes` bound that too."""
    name = encoding.strip().lower()
    if answer.body is None or name in ("", "identity"):
        return answer
    body = unpacked(answer.body, name, num_bytes=max_bytes + 1)
    if name in UNREAD_ENCODINGS or (body is None and name in READ_ENCODINGS):
        message = f"sent in the encoding {name}, which was not asked for and cannot be unpacked"
        return Answer(outcome=Outcome.NOT_AN_IMAGE, message=message)
    if body is not None and len(body) > max_bytes:
        return Answer(outcome=Outcome.TOO_LARGE, message=f"over {max_bytes:,} bytes once unpacked")
    return answer if body is None else replace(answer, body=body)  # what is no encoding changes nothing


def _of_status(response: aiohttp.ClientResponse) -> Answer | Redirect:
    status, headers = response.status, response.headers
    if status in REDIRECTS and "Location" in headers:
        return Redirect(headers["Location"])
    may_recover = status == 429 or status >= 500
    return Answer(
        outcome=Outcome.SERVER_ERROR if may_recover else Outcome.HTTP_ERROR,
        message=f"HTTP {status}",
        status=status,
        retry_after_s=retry_after_s(headers.get("Retry-After", ""), headers.get("Date")),
    )


async def _read(response: aiohttp.ClientResponse, max_bytes: int, large: asyncio.Semaphore) -> Answer:
    body, is_large = bytearray(), False
    try:
        async for block in response.content.iter_chunked(1 << 16):
            body += block
            if len(body) > max_bytes:
                return Answer(outcome=Outcome.TOO_LARGE, message=f"over {max_bytes:,} bytes")
            if len(body) > LARGE_BYTES and not is_large:
                is_large = await large.acquire()
    finally:
        if is_large:
            large.release()
    return Answer(body=bytes(body))


def failure(error: BaseException) -> Answer:
    """Return what an error of a connection says of a request."""
    refusal = refusal_in(error)
    if refusal is not None:
        return Answer(outcome=Outcome.PRIVATE_ADDRESS, message=str(refusal))
    wrong = getattr(error, "certificate_error", error)
    if isinstance(wrong, ssl.SSLCertVerificationError):
        when = "; is this machine's clock right?" if "not yet valid" in str(wrong.verify_message) else ""
        return Answer(outcome=Outcome.BAD_CERTIFICATE, message=f"{wrong.verify_message}{when}")
    return Answer(outcome=Outcome.UNREACHABLE, message=f"{type(error).__name__}: {_shown(error)}")


def is_dropped(error: BaseException) -> bool:
    """Return whether a connection ended before a byte of the answer, as kept ones do when a server has had enough."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return True
    return isinstance(error, aiohttp.ClientOSError) and not isinstance(error, aiohttp.ClientConnectorError)


def _shown(error: BaseException) -> str:
    """Return what an error says, without what it quotes of the answer: a Location, and the secrets in it, for one."""
    if isinstance(error, aiohttp.ClientResponseError):
        return redacted_in(" ".join(_QUOTED.sub("", error.message).split()))
    return redacted_in(str(error))


def header_lines(response: aiohttp.ClientResponse) -> list[tuple[str, str]]:
    """Return every line of the header; bytes that are no UTF-8 are shown as escapes."""
    return [
        (name, value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))
        for name, value in response.headers.items()
    ]


def _kept(value: str | None) -> str | None:
    """Return a validator as it can be sent back, none when it is odd."""
    return value if value and len(value) < 500 and value.isascii() and value.isprintable() else None
