"""What to ask Wikimedia Commons, or another MediaWiki: files of a category, a search, that use a file, or by title."""

from typing import Any
from urllib.parse import parse_qsl, urlencode

from byline.catalog.errors import ConfigError, SourceError
from byline.pipelines.sources.harvest.asking import Asker, Complaint, checked_api

API = "https://commons.wikimedia.org/w/api.php"
MAX_TITLES = 50
"""MediaWiki's limit for one request."""
MAX_LAG_S = 5
"""Lag of the database's copies, in seconds, from which the API asks to come back later."""
ASKED = {
    "action": "query",
    "prop": "imageinfo",
    "iiprop": "url|user|size|mime|sha1|extmetadata",
    "format": "json",
    "formatversion": "2",
    "curtimestamp": "1",
    "maxlag": str(MAX_LAG_S),
}
GENERATORS = {
    "category": ("categorymembers", {"gcmtype": "file"}, "gcmtitle", "gcmlimit"),
    "search": ("search", {"gsrnamespace": "6"}, "gsrsearch", "gsrlimit"),
    "image_usage": ("imageusage", {"giunamespace": "6"}, "giutitle", "giulimit"),
}
"""Way of asking -> generator, fixed parameters, and the parameters of what is asked for and of pages an answer."""
PASSING_CODES = frozenset({"maxlag", "ratelimited", "readonly"})


class Commons:
    """The requests of one harvest, each following from the answer before it."""

    name = "Wikimedia Commons"

    def __init__(self, api: str, batches: list[dict[str, str]]) -> None:
        self.api = checked_api(api)
        self.batches = [{**ASKED, **batch} for batch in batches]
        self._followed: set[int] = set()
        """Hashes of the requests of this run, for an API that leads in a circle."""

    def first(self) -> str:
        """Return the first request."""
        return self._url(self.batches[0])

    def after(self, request: str, answer: dict[str, Any]) -> str | None:
        """Return what to ask after `answer`: the rest of it, the next titles, or nothing.

        Raises `ConfigError` when the request is none of this harvest.
        """
        asked = dict(parse_qsl(request.partition("?")[2]))
        number = next((n for n, batch in enumerate(self.batches) if batch.items() <= asked.items()), None)
        if number is None or request.partition("?")[0] != self.api:
            raise ConfigError("the last answer in --out was to another request; give another file as --out")
        rest = answer.get("continue")
        if rest is None:
            return self._url(self.batches[number + 1]) if number + 1 < len(self.batches) else None
        if not isinstance(rest, dict) or not all(isinstance(value, str | int) for value in rest.values()):
            raise SourceError(f"{self.name} says in a way of its own how to go on: {rest!r:.120}")
        following = self._url({**{key: str(value) for key, value in rest.items()}, **self.batches[number]})
        if following == request or hash(following) in self._followed:
            raise SourceError(f"{self.name} sends the same answer without end; narrow what you ask for")
        self._followed.add(hash(following))
        return following

    def pictures_in(self, answer: dict[str, Any]) -> int:
        """Return how many files an answer tells of."""
        query = answer.get("query")
        pages = query.get("pages") if isinstance(query, dict) else None
        return sum(1 for page in pages if isinstance(page, dict) and page.get("imageinfo")) if pages else 0

    def total_of(self, answer: dict[str, Any]) -> int | None:
        """MediaWiki does not say how many there are."""
        return None

    def remark_on(self, answer: dict[str, Any], pictures: int) -> str | None:
        """Return nothing: MediaWiki gives all that there is, or an error."""
        return None

    def complaint_in(self, status: int, answer: dict[str, Any]) -> Complaint | None:
        """Return MediaWiki's error, which may come with any status."""
        error = answer.get("error")
        if error is None:
            if status == 200 and not {"query", "batchcomplete", "continue"} & answer.keys():
                return Complaint(text=f"neither an answer nor an error, but {', '.join(sorted(answer)) or 'nothing'}")
            return None
        code, info = (str(error.get(key, "")) for key in ("code", "info")) if isinstance(error, dict) else ("", error)
        return Complaint(text=f"{code}: {info}", may_pass=code in PASSING_CODES or code.startswith("internal_api_err"))

    async def headers(self, asker: Asker) -> dict[str, str]:
        """Return nothing: whoever asks is named in every request anyway."""
        return {}

    def _url(self, parameters: dict[str, str]) -> str:
        return f"{self.api}?{urlencode(sorted(parameters.items()))}"


def commons(
    *,
    category: str | None,
    search: str | None,
    image_usage: str | None,
    titles: list[str],
    page_size: int,
    api: str = API,
) -> Commons:
    """Return what to ask. Raises `ConfigError` unless it is exactly one of the four."""
    options = {"category": category, "search": search, "image_usage": image_usage}
    ways = [way for way, value in options.items() if value] + (["titles"] if titles else [])
    if len(ways) != 1:
        raise ConfigError("give one of --category, --search, --image-usage and --titles")
    if titles:
        names = [_with_prefix(name.strip(), "File:") for text in titles for name in text.split("|") if name.strip()]
        if not names:
            raise ConfigError(f"--titles names no file: {titles[0]!r}")
        parts = [names[at : at + page_size] for at in range(0, len(names), page_size)]
        return Commons(api, [{"titles": "|".join(part)} for part in parts])
    generator, fixed, name, limit = GENERATORS[ways[0]]
    value = str(options[ways[0]])
    if ways[0] != "search":
        value = _with_prefix(value, "Category:" if ways[0] == "category" else "File:")
    return Commons(api, [{"generator": generator, name: value, limit: str(page_size), **fixed}])


def _with_prefix(title: str, prefix: str) -> str:
    return title if title.lower().startswith(prefix.lower()) else prefix + title
