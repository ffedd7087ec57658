"""The rooms of the house: arrows lead down, no room is too large, and docs/architecture.md draws them as they are."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HOUSE = runpy.run_path(str(ROOT / "scripts/rooms"))
ROOMS, MODULES, ARROWS, room_of = HOUSE["ROOMS"], HOUSE["MODULES"], HOUSE["arrows"](), HOUSE["room_of"]
APART = {
    "catalog": {"dedup", "captioning", "diffusion", "pictures", "training", "evaluation", "audits", "pipelines", "cli"},
    "pictures": {"pipelines", "dedup", "captioning", "diffusion", "training", "cli"},
    "dedup": {"pipelines", "captioning", "diffusion", "training", "cli"},
    "captioning": {"pipelines", "dedup", "diffusion", "training", "cli"},
    "diffusion": {"pipelines", "dedup", "captioning", "training", "cli"},
    "training": {"pipelines", "dedup", "captioning", "cli"},
    "evaluation": {"pipelines", "dedup", "captioning", "cli"},
    "audits": {"pipelines", "captioning", "training", "cli"},
    "pipelines": {"training", "evaluation", "audits", "reports", "doctor", "cli"},
    "pages": {*HOUSE["TOPS"]} - {"pages", "catalog"},
    "doctor": {"reports", "cli"},
    "reports": {"doctor", "cli"},
    "pipelines.judging": {"pipelines.fetching", "pipelines.sources", "pictures"},
    "pipelines.facts": {"pipelines.fetching", "pipelines.sources", "pipelines.judging"},
}
MAY_KNOW = {"training": {"dedup.embedding"}}
"""What a room may know inside of what it must not: an autoencoder is fitted to what the copy detector sees."""
"""What must not know of each other, whatever the drawing would allow: training and pipelines meet on disk only."""
BEAM = "pipelines.beam"
WITHOUT_TORCH = ("catalog", "pictures", "pipelines")
VAGUE_NAMES = {"utils", "util", "common", "helpers", "core", "base", "manager"}
PICKLES = {"pickle", "cloudpickle", "dill", "marshal", "shelve"}


def _is_in(room, place):
    return room == place or room.startswith(f"{place}.")


def _paths_of(room):
    return [path for module, path in MODULES.items() if room_of(module) == room]


def _libraries(path):
    return {name.strip("<>").split(".")[0] for name in HOUSE["imports"](path) if name.startswith("<")}


def test_arrows_lead_down_only_and_the_page_draws_them():
    text = (ROOT / "docs/architecture.md").read_text()
    assert text == HOUSE["page"](text), "run scripts/rooms"


@pytest.mark.parametrize("place", APART)
def test_what_must_not_meet_does_not(place):
    wrong = [
        line
        for room, others in ARROWS.items()
        for other, lines in others.items()
        if _is_in(room, place) and any(_is_in(other, forbidden) for forbidden in APART[place])
        if other not in MAY_KNOW.get(place, ())
        for line in lines
    ]
    assert not wrong


def test_every_module_is_in_a_room_of_at_most_a_fifth_of_the_house():
    assert {module for module in MODULES if room_of(module) is None} == {"pipelines"}
    sizes = {room: HOUSE["lines_of"](room) for room in ROOMS}
    assert max(sizes.values()) <= sum(sizes.values()) / 5, sizes


def test_beam_is_known_to_one_room():
    assert {room for room in ROOMS for path in _paths_of(room) if "apache_beam" in _libraries(path)} == {BEAM}


@pytest.mark.parametrize("place", WITHOUT_TORCH)
def test_torch_is_not_needed_to_make_a_corpus(place):
    paths = [path for room in ROOMS if _is_in(room, place) for path in _paths_of(room)]
    assert not [path for path in paths if "torch" in _libraries(path)]


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_says_what_it_is_and_no_file_has_a_vague_name(room):
    assert HOUSE["_what"](room)
    assert not {path.stem for path in _paths_of(room)} & VAGUE_NAMES


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_reads_or_writes_pickles(room):
    assert not {str(path.relative_to(ROOT)) for path in _paths_of(room) if _libraries(path) & PICKLES}


def test_no_test_stands_on_a_benchmark():
    wrong = [
        path for path in (ROOT / "tests").rglob("*.py") if any("benchmarks" in name for name in HOUSE["imports"](path))
    ]
    assert not wrong
