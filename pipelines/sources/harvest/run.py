"""Ask an API until it has no more or enough came, and save each answer before the next is asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from byline.catalog.errors import ConfigError
from byline.pipelines.sources.harvest.asking import Asker, Complaint, Patience, Tell
from byline.pipelines.sources.harvest.saved import SavedFile, open_saved


class Api(Protocol):
    """What to ask one API, each request following from the answer before it."""

    name: str

    def first(self) -> str:
        """Return the first request."""

    def after(self, request: str, answer: dict[str, Any]) -> str | None:
        """Return what to ask after `answer`, none after the last."""

    def pictures_in(self, answer: dict[str, Any]) -> int:
        """Return how many pictures an answer tells of."""

    def total_of(self, answer: dict[str, Any]) -> int | None:
        """Return how many there are in all, none where that is not said."""

    def remark_on(self, answer: dict[str, Any], pictures: int) -> str | None:
        """Return what people should know after the last answer."""

    def complaint_in(self, status: int, answer: dict[str, Any]) -> Complaint | None:
        """Return what a JSON answer with this status complains of, none when it is an answer."""

    async def headers(self, asker: Asker) -> dict[str, str]:
        """Return the headers of the next request."""


@dataclass(frozen=True, kw_only=True)
class Harvested:
    """What a run came to."""

    pictures: int
    """Pictures in the file, those of earlier runs included."""
    answers: int
    """Answers that this run asked for."""
    is_complete: bool
    remark: str | None


async def harvest(
    api: Api,
    path: str,
    *,
    contact: str | None,
    limit: int | None = None,
    patience: Patience = Patience(),  # noqa: B008 - frozen
    tell: Tell = lambda _: None,
    show: Callable[[int, int | None], None] = lambda pictures, total: None,
) -> Harvested:
    """Save the answers of an API in `path`, after those that are there, until at least `limit` pictures are saved.

    No answer is asked for twice, however a run ended: the next request follows from the last whole answer in the file.
    `show` is told how many pictures there are, of how many.
    """
    async with Asker(contact, patience, tell) as asker:
        with open_saved(path) as saved:
            if saved.first_request not in (None, api.first()):
                raise ConfigError(
                    f"{path} is the harvest of something else ({saved.first_request}); give another --out"
                )
            num_answers, request = 0, _next(api, saved)
            while request is not None and (limit is None or _pictures(saved) < limit):
                answered = await asker.ask(request, api, headers=await api.headers(asker))
                saved.append(answered, _pictures(saved) + api.pictures_in(answered.answer))
                num_answers += 1
                show(_pictures(saved), api.total_of(answered.answer))
                request = _next(api, saved)
            remark = api.remark_on(saved.last.answer, _pictures(saved)) if saved.last and request is None else None
            return Harvested(pictures=_pictures(saved), answers=num_answers, is_complete=request is None, remark=remark)


def _next(api: Api, saved: SavedFile) -> str | None:
    return api.after(saved.last.request, saved.last.answer) if saved.last else api.first()


def _pictures(saved: SavedFile) -> int:
    return saved.last.pictures if saved.last else 0
