"""What builds kept of what they did (`builds/NNNNN.json`), and how fast pictures were encoded: for plans of later ones.

A clock is asked for plans alone: no fact and no release depends on what is written here.
"""

from collections.abc import Iterator, Mapping

from pydantic import BaseModel, Field

from byline.catalog.disk import layout
from byline.catalog.disk.json_files import read_json, write_json
from byline.catalog.disk.storage import Store

FETCH, MEASURE, CAPTION = "fetch", "measure", "caption by "
"""Stages whose time is counted by `pipelines.beam.timing`; the captioner's instrument follows the last one."""
PROCESSOR_MS, CLOCK_MS = "processor ms of ", "ms of "
"""What a build's record calls the time that workers spent on a stage; its name follows."""
REQUEST_MS = "ms of requests"
"""How long requests for pictures waited for their hosts, over all requests, which go on side by side: the time from
sending them to their answers, but for the part in which the worker itself was busy."""
REQUESTED, ANSWERED, RECEIVED_BYTES, MEASURED = "requested", "answered", "bytes received", "measured"
"""Requests that were sent for pictures, records whose picture was asked for, bytes of the pictures that came, and
pictures that were measured."""


def build_records(store: Store) -> list[str]:
    """Return the names of the records of a corpus' builds, oldest first."""
    names = store.files(layout.BUILDS, suffix=".json")
    return [name for name in names if name.removesuffix(".json").isdecimal()]


def done_by_builds(store: Store) -> Iterator[tuple[str, Mapping[str, int]]]:
    """Give the number of each build and what it really did, newest first."""
    for name in reversed(build_records(store)):
        yield name.removesuffix(".json"), read_json(store, layout.build_file(name)).get("done", {})


class EncodingSpeed(BaseModel, frozen=True, extra="forbid"):
    """How fast a training run encoded pictures, with their captions."""

    pictures: int = Field(ge=1)
    device: str
    """`cpu`, or the kind of accelerator."""
    processor_ms: int = Field(ge=0)
    clock_ms: int = Field(ge=0)
    """Both over all ranks."""

    @property
    def seconds(self) -> float:
        """Seconds that one device takes for a picture: of processors those in which they computed."""
        return (self.processor_ms if self.device == "cpu" else self.clock_ms) / 1000 / self.pictures


def read_encoding_speed(store: Store, instrument: str) -> EncodingSpeed | None:
    """Return how fast latents were made by this instrument; None where nobody kept it."""
    path = layout.encoding_file(instrument)
    if not store.exists(path):
        return None
    return EncodingSpeed.model_validate(read_json(store, path))


def keep_encoding_speed(store: Store, instrument: str, speed: EncodingSpeed) -> None:
    """Keep how fast it was, unless a run is known that encoded more."""
    before = read_encoding_speed(store, instrument)
    if before is None or before.pictures <= speed.pictures:
        write_json(store, layout.encoding_file(instrument), speed.model_dump())
