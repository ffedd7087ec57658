"""How long a picture takes at each stage, as earlier builds and training runs of a corpus took it."""

from collections.abc import Mapping

from pydantic import BaseModel

from byline.catalog.corpora.builds import (
    ANSWERED,
    CAPTION,
    CLOCK_MS,
    FETCH,
    MEASURE,
    MEASURED,
    PROCESSOR_MS,
    RECEIVED_BYTES,
    REQUEST_MS,
    REQUESTED,
    EncodingSpeed,
    done_by_builds,
    read_encoding_speed,
)
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.pipelines.facts.measures import CAPTIONED_BY
from byline.pipelines.rights.plans.caption_costs import CaptionRate

SOURCE_TEXT = "source-text-"
"""How instruments begin whose captions take no device."""


class StageRate(BaseModel, frozen=True, extra="forbid"):
    """What a picture took in the build that did most of them."""

    build: str
    pictures: int
    seconds: float
    """Seconds of one processor."""
    clock_seconds: float
    """Seconds of one worker by the clock: waiting for hosts, the store and other programs is in it."""


class FetchRate(StageRate, frozen=True):
    """What a record took whose picture was asked for, and what was sent for it."""

    requests: float
    received_bytes: float
    request_s: float
    """How long a request waits for its host."""


class Rates(BaseModel, frozen=True, extra="forbid"):
    """What is known; None for what nobody measured here."""

    fetch: FetchRate | None
    measure: StageRate | None
    captions: dict[str, CaptionRate | None]
    """Captioner -> how fast it is."""
    latents: dict[str, EncodingSpeed | None]
    """Instrument of latents -> how fast they are made; empty where no run has encoded pictures of the corpus."""


def read_rates(store: Store, captions: Mapping[str, CaptionRate | None]) -> Rates:
    """Read what builds and runs kept. Those of captions are found by `find_rate`."""
    builds = list(done_by_builds(store))
    latents = store.folders(layout.facts_of("latents"))
    return Rates(
        fetch=_of_fetching(builds),
        measure=_of_stage(builds, MEASURE, MEASURED),
        captions={by: (by.startswith(SOURCE_TEXT) and _of_text(builds, by)) or rate for by, rate in captions.items()},
        latents={instrument: read_encoding_speed(store, instrument) for instrument in latents},
    )


Builds = list[tuple[str, Mapping[str, int]]]


def _most(builds: Builds, stage: str, counted: str) -> tuple[str, Mapping[str, int]] | None:
    """Return the build that did most, the newest of equal ones, of those that kept their time."""
    timed = [build for build in builds if build[1].get(counted, 0) and f"{PROCESSOR_MS}{stage}" in build[1]]
    return max(timed, key=lambda build: build[1][counted], default=None)


def _of_stage(builds: Builds, stage: str, counted: str) -> StageRate | None:
    if (most := _most(builds, stage, counted)) is None:
        return None
    return StageRate(**_times(*most, stage, counted))


def _of_fetching(builds: Builds) -> FetchRate | None:
    if (most := _most(builds, FETCH, ANSWERED)) is None:
        return None
    done = most[1]
    requested = done.get(REQUESTED, 0)
    return FetchRate(
        **_times(*most, FETCH, ANSWERED),
        requests=requested / done[ANSWERED],
        received_bytes=done.get(RECEIVED_BYTES, 0) / done[ANSWERED],
        request_s=done.get(REQUEST_MS, 0) / 1000 / requested if requested else 0.0,
    )


def _of_text(builds: Builds, instrument: str) -> CaptionRate | None:
    """Return how fast captions of source text are made. They need no device, so that only processors count."""
    rate = _of_stage(builds, f"{CAPTION}{instrument}", f"{CAPTIONED_BY}{instrument}")
    if rate is None or not rate.seconds:
        return None
    origin = f"of a processor, build {rate.build}, {rate.pictures:,} texts"
    return CaptionRate(name="one worker", images_per_s=1 / rate.seconds, images_from=origin)


def _times(build: str, done: Mapping[str, int], stage: str, counted: str) -> dict[str, object]:
    number = done[counted]
    seconds, clock_seconds = (done.get(f"{what}{stage}", 0) / 1000 / number for what in (PROCESSOR_MS, CLOCK_MS))
    return {"build": build, "pictures": number, "seconds": seconds, "clock_seconds": clock_seconds}
