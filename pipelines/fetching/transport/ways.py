"""How far redirects led, and which copies of our own stand for URLs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from byline.catalog.consent import Signal
from byline.catalog.hosts import UrlError
from byline.catalog.urls import Url
from byline.pipelines.fetching.transport.urls import asked_url


@dataclass(frozen=True, kw_only=True)
class Way:
    """How far redirects led."""

    first: Url
    """What was asked first: the URL itself, or the copy of our own that stands for it."""
    url: Url
    num_hops: int = 0
    heard: tuple[Signal, ...] = ()
    """Signals heard on the way, before `url` was asked."""
    is_ours: bool
    """Whether every place on the way is a copy of our own."""
    is_denied: bool
    """Whether `url` was taken down."""

    @property
    def led_to(self) -> str | None:
        """Where redirects led; None where there was none."""
        return None if self.url == self.first else self.url.sent


class Ways:
    """Where ways begin and where redirects lead. Mirrors are the corpus owner's own copies of what has a prefix."""

    def __init__(self, mirrors: Mapping[str, str], denies: Callable[[str], bool]) -> None:
        self._mirrors = tuple((_as_asked(prefix), _as_asked(copy)) for prefix, copy in mirrors.items())
        self._denies = denies

    def begun(self, url: str) -> Way:
        """Return the way to a URL, or to our copy. It is brought into its form first: no dots lead out of a mirror.

        Raises `UrlError` for what is no URL that may be asked.
        """
        text = url = _as_asked(url)
        for prefix, copy in self._mirrors:
            if text.startswith(prefix):
                text = copy + text.removeprefix(prefix)
        first = asked_url(text)
        is_ours = text != url and self._is_mirror(first)
        return Way(first=first, url=first, is_ours=is_ours, is_denied=self._denies(url))

    def led(self, way: Way, location: str) -> Way:
        """Return the way after a redirect. Raises `UrlError` for one that leads to no URL that may be asked."""
        at = asked_url(location, led_from=way.url)
        # no redirect of others leads to a mirror
        is_ours = way.is_ours and self._is_mirror(at)
        return replace(way, url=at, num_hops=way.num_hops + 1, is_ours=is_ours, is_denied=self._denies(at.sent))

    def _is_mirror(self, url: Url) -> bool:
        return any(url.sent.startswith(copy) for _, copy in self._mirrors)


def _as_asked(url: str) -> str:
    """Return a URL, or what many begin with, as it is asked for; as it is where it is none by itself."""
    try:
        sent = asked_url(url).sent
    except UrlError:
        return url
    return sent if url.endswith("/") else sent.removesuffix("/")
