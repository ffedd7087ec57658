"""Ask an OpenAI-compatible server, patiently. Every error is one line, and none tells the key."""

import threading
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx

from byline.catalog.errors import ServerError

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_PICTURE = frozenset({400, 413, 415, 422})
"""What a server answers to a picture that it cannot take, or to any if the prompt is too long."""
_EXCERPT = 200


class RefusedError(Exception):
    """The server is well and cannot take this request."""


@dataclass(frozen=True)
class Address:
    """A model and where it is asked for."""

    url: str
    model: str
    revision: str


@dataclass(frozen=True)
class Reply:
    """What a model wrote, as its server returned it."""

    text: str
    num_tokens: int | None
    """How many tokens that took, where the server counts them."""


class Server:
    """A server of one model. May be asked from several threads."""

    def __init__(self, address: Address, *, key: str, timeout_s: float, retries: int, connections: int) -> None:
        self.address, self.timeout_s, self.retries = address, timeout_s, retries
        self._key, self._connections = key, connections
        self._first_model: str | None = None
        self._lock = threading.Lock()

    @cached_property
    def _client(self) -> httpx.Client:
        return httpx.Client(
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            timeout=self.timeout_s,
            limits=httpx.Limits(max_connections=self._connections),
        )

    def check_listed(self) -> None:
        """Raise `ServerError` when the server is down, or says that the model is of another revision.

        A server need not list what it serves (`transformers serve` lists a cache); its answers name it too.
        """
        answer = self._answer("GET", "/models", None)
        try:
            listed = {entry["id"]: entry for entry in answer.json()["data"]} if answer.is_success else {}
        except (ValueError, KeyError, TypeError) as error:
            raise self._nonsense(answer) from error
        revision = listed.get(self.address.model, {}).get("revision")
        self._refuse_revision(revision)

    def ask(self, question: dict[str, Any]) -> Reply:
        """Return what the model says, as it is.

        Raises `RefusedError` for a request that it cannot take; `ServerError` for a server that does not answer, or not
        as it should, or by another model than before.
        """
        answer = self._answer("POST", "/chat/completions", {"model": self.address.model, **question})
        if answer.status_code in _PICTURE:
            raise RefusedError(f"{self.address.url} answered {answer.status_code}: {_excerpt(answer)}")
        if not answer.is_success:
            raise ServerError(
                f"{self.address.url} answered {answer.status_code} when asked for {self.address.model}: "
                f"{_excerpt(answer)}; look at url, model and the key"
            )
        try:
            body = answer.json()
            model, text = body["model"], body["choices"][0]["message"]["content"]
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise self._nonsense(answer) from error
        if not isinstance(model, str) or not isinstance(text, str | None):
            raise self._nonsense(answer)
        self._refuse_change(model)
        usage = body.get("usage")
        num_tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
        return Reply(text or "", num_tokens if isinstance(num_tokens, int) else None)

    def _answer(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
        """Ask until there is an answer that is none of `_AGAIN`, or patience ends."""
        wait_s, what = FIRST_WAIT_S, ""
        for attempt in range(self.retries + 1):
            if attempt:
                time.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            try:
                answer = self._client.request(method, f"{self.address.url}{path}", json=body)
            except httpx.TimeoutException:
                what = f"did not answer within {self.timeout_s:g} s"
            except httpx.HTTPError as error:
                what = f"cannot be reached ({' '.join(str(error).split())[:_EXCERPT] or type(error).__name__})"
            else:
                if answer.status_code not in _AGAIN or (method == "GET" and answer.status_code == 500):
                    return answer
                what = f"answered {answer.status_code}: {_excerpt(answer)}"
                wait_s = max(wait_s, _asked_to_wait_s(answer))
        raise ServerError(
            f"{self.address.url} {what}, {self.retries + 1} times; start it, lower machine.concurrency or raise "
            "machine.timeout_s, and build again: it goes on where it was"
        )

    def _refuse_change(self, model: str) -> None:
        """Raise `ServerError` for an answer by another model than the first answer's, or than was asked for."""
        with self._lock:
            first = self._first_model = self._first_model or model
        name, _, revision = model.partition("@")
        if self.address.model not in (model, name):
            raise ServerError(
                f"{self.address.url} was asked for {self.address.model} and answered by {model}; fix model"
            )
        if model != first:
            raise ServerError(f"{self.address.url} changed its model from {first} to {model}; serve {first} again")
        if revision != "main":
            self._refuse_revision(revision)

    def _refuse_revision(self, revision: str | None) -> None:
        if revision and revision != self.address.revision:
            raise ServerError(
                f"{self.address.url} serves {self.address.model} of revision {revision}, and the config says "
                f"{self.address.revision!r}; set revision to {revision!r}"
            )

    def _nonsense(self, answer: httpx.Response) -> ServerError:
        return ServerError(
            f"{self.address.url} answered what is none of the OpenAI API: {_excerpt(answer)!r}; look at url, "
            "which ends in /v1 for most servers"
        )


def _excerpt(answer: httpx.Response) -> str:
    return " ".join(answer.text.split())[:_EXCERPT]


def _asked_to_wait_s(answer: httpx.Response) -> float:
    header = answer.headers.get("Retry-After", "")
    return min(float(header), LONGEST_WAIT_S) if header.isdecimal() else 0.0
