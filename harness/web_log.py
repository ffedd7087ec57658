"""What the loopback web was asked, and whether anybody asked too much of a host."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TOO_MANY = 429


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Request:
    """One request, as the server saw it. Times are of the clock that all processes of a machine share."""

    arrived_s: float
    answered_s: float
    """When the whole answer was handed to the socket; for a host that hangs, when it was asked."""
    host: str
    path: str
    status: int
    """0 where nothing was answered."""
    in_flight: int
    """Requests to the host that had no answer yet, this one included."""

    @property
    def is_picture(self) -> bool:
        """Whether a picture was asked for, not what a host says of robots."""
        return self.path.endswith(".jpg")

    @property
    def url(self) -> tuple[str, str]:
        """What was asked for."""
        return self.host, self.path


def read_log(path: Path) -> list[Request]:
    """Return the requests of a log in order of arrival. A line that is being written is left out."""
    lines = path.read_text().rpartition("\n")[0].splitlines() if path.exists() else []
    requests = []
    for line in lines:
        arrived, answered, host, asked, status, in_flight = line.split(" ")
        requests.append(
            Request(
                arrived_s=float(arrived),
                answered_s=float(answered),
                host=host,
                path=asked,
                status=int(status),
                in_flight=int(in_flight),
            )
        )
    return sorted(requests)


def most_in_flight(requests: Sequence[Request]) -> int:
    """Return the most requests that any host had at one time."""
    return max((request.in_flight for request in requests), default=0)


def most_within(requests: Sequence[Request], window_s: float) -> int:
    """Return the most requests that arrived at any host within so many seconds."""
    most = 0
    for arrivals in _by_host(requests).values():
        recent: deque[float] = deque()
        for request in arrivals:
            recent.append(request.arrived_s)
            while recent[0] < request.arrived_s - window_s:
                recent.popleft()
            most = max(most, len(recent))
    return most


def too_early(requests: Sequence[Request], retry_after_s: "dict[str, float]") -> list[Request]:
    """Return the requests that came after a host had said 429, before the seconds it then asked for were over.

    One that came before the 429 was sent could not know, and is none of them.
    """
    early = []
    for host, arrivals in _by_host(requests).items():
        refused = [request.answered_s for request in arrivals if request.status == TOO_MANY]
        early += [
            request
            for request in arrivals
            if any(refused_s < request.arrived_s < refused_s + retry_after_s[host] for refused_s in refused)
        ]
    return early


def times_asked(requests: Sequence[Request]) -> Counter[tuple[str, str]]:
    """Return how often each picture was asked for."""
    return Counter(request.url for request in requests if request.is_picture)


def _by_host(requests: Sequence[Request]) -> dict[str, list[Request]]:
    hosts: dict[str, list[Request]] = {}
    for request in requests:
        hosts.setdefault(request.host, []).append(request)
    return hosts
