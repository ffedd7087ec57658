"""What workers and a coordinator tell each other: JSON objects, one in each message of a WebSocket."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter

MAX_MESSAGE_BYTES = 1 << 20
HEARTBEAT_S = 30.0
"""Time between two signs of life over a connection; half of it without an answer, and the other side is gone."""
PROVED_WITHIN_S = 5.0


class _Message(BaseModel, frozen=True, extra="forbid"):
    number: int
    """Number of what is asked for, of those of one worker; whatever follows from it has the same."""


class AskLease(_Message):
    """Ask for the right to a request."""

    kind: Literal["lease"] = "lease"
    host: str
    delay_s: float


class EndLease(_Message):
    """Give a lease back, with what the request told of its host."""

    kind: Literal["end"] = "end"
    health: Literal["well", "ill", "unknown"] = "unknown"
    hold_off_s: float = 0.0
    is_answered: bool = False
    """Whether the worker wants to know for how long the host is to be left alone."""


class AskTurn(_Message):
    """Ask for the turn to find something out."""

    kind: Literal["turn"] = "turn"
    of: Literal["sites", "names"]
    key: str
    max_age_s: float


class EndTurn(_Message):
    """Give a turn back, or ask for it no longer."""

    kind: Literal["done"] = "done"
    found: dict[str, Any] | None = None


class Reply(_Message):
    """Answer to what was asked for under its number."""

    is_granted: bool = False
    is_resting: bool = False
    wait_s: float = 0.0
    kept: dict[str, Any] | None = None


Asked = AskLease | EndLease | AskTurn | EndTurn
ASKED: TypeAdapter[Asked] = TypeAdapter(Annotated[Asked, Field(discriminator="kind")])
