"""How long captions take and what they cost, at a rate that somebody measured. No rate, no hours."""

from pydantic import BaseModel, Field

from byline.catalog.configs.hardware import CAPTIONS, read_row, shipped_table
from byline.catalog.configs.loading import parse_config
from byline.catalog.corpora.builds import done_by_builds
from byline.catalog.disk.storage import Store
from byline.pipelines.facts.measures import CAPTIONED_BY, CAPTIONING_MS_BY


class CaptionRate(BaseModel, frozen=True, extra="forbid"):
    """How many pictures one device captions in a second, and what it costs."""

    name: str
    images_per_s: float = Field(gt=0)
    images_from: str
    """Who measured that, with what."""
    usd_per_hour: float = Field(0.0, ge=0)
    price_from: str = "not counted"

    def hours(self, num_captions: int) -> float:
        """Return the hours of one device that so many pictures take."""
        return num_captions / self.images_per_s / 3600


def find_rate(
    name: str | None, instrument: str, store: Store, *, images_per_s: float | None, usd_per_hour: float | None
) -> CaptionRate | None:
    """Return the rate of a device in the table; without a name, that of one worker in the last build here that
    captioned by this instrument.

    A stated rate or price takes the place of theirs. None when nobody named a device or a rate, and no build has
    captioned yet. Raises `ConfigError`, which lists the known ones, for another name, and for numbers that cannot be.
    """
    known_rate = _from_table(name) if name is not None else _of_builds(instrument, store)
    if known_rate is None and images_per_s is None:
        return None
    fields = {} if known_rate is None else known_rate.model_dump()
    if images_per_s is not None:
        fields |= {"images_per_s": images_per_s, "images_from": "as given"}
    if usd_per_hour is not None:
        fields |= {"usd_per_hour": usd_per_hour, "price_from": "as given"}
    return parse_config({"name": "one device", **fields}, CaptionRate, where="the rate of captions")


def _from_table(name: str) -> CaptionRate:
    unknown, more = f"nobody told how fast '{name}' captions", "; or give --images-per-s"
    return read_row(shipped_table(CAPTIONS), name, CaptionRate, unknown=unknown, more=more)


def _of_builds(instrument: str, store: Store) -> CaptionRate | None:
    for name, done in done_by_builds(store):
        number, took_ms = (done.get(f"{what}{instrument}", 0) for what in (CAPTIONED_BY, CAPTIONING_MS_BY))
        if number and took_ms:
            origin = f"measured by build {name}, {number:,} pictures"
            return CaptionRate(name="one worker", images_per_s=1000 * number / took_ms, images_from=origin)
    return None
