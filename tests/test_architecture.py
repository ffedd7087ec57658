"""The arrows of docs/architecture.md, enforced by reading the imports."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ARROWS = {
    "catalog": set(),
    "dedup": {"catalog"},
    "captioning": {"catalog"},
    "diffusion": {"catalog"},
    "training": {"diffusion", "catalog"},
    "evaluation": {"diffusion", "catalog"},
    "audits": {"evaluation", "diffusion", "dedup", "catalog"},
    "pipelines": {"dedup", "captioning", "diffusion", "catalog"},
    "cli": {"pipelines", "training", "diffusion", "evaluation", "audits", "catalog"},
}
FORBIDDEN_ELSEWHERE = {
    "catalog": {"apache_beam", "torch"},
    "dedup": {"apache_beam"},
    "captioning": {"apache_beam"},
    "diffusion": {"apache_beam"},
    "training": {"apache_beam"},
}
VAGUE_NAMES = {"utils", "util", "common", "helpers", "core", "base", "manager"}


def _files(room):
    return sorted((ROOT / room).rglob("*.py"))


def _imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (_room_or_library(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; name the room"
            yield _room_or_library(node.module)


def _room_or_library(module):
    """`byline.catalog.errors` is of the room `catalog`; a bare `catalog` would be a second copy of it."""
    first, *rest = module.split(".")
    assert first not in ARROWS, f"{module} is imported without byline."
    return rest[0] if first == "byline" and rest else first


@pytest.mark.parametrize("room", ARROWS)
def test_a_room_imports_only_what_its_arrows_allow(room):
    allowed = ARROWS[room] | {room}
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in _files(room)
        for name in _imports(path)
        if name in ARROWS and name not in allowed
    }
    assert not wrong


@pytest.mark.parametrize("room", FORBIDDEN_ELSEWHERE)
def test_a_room_keeps_out_of_other_rooms_libraries(room):
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in _files(room)
        for name in _imports(path)
        if name in FORBIDDEN_ELSEWHERE[room]
    }
    assert not wrong


@pytest.mark.parametrize("room", ARROWS)
def test_every_room_exists_and_no_file_has_a_vague_name(room):
    stems = {path.stem for path in _files(room)}
    assert stems - {"__init__"}
    assert not stems & VAGUE_NAMES


@pytest.mark.parametrize("room", ARROWS)
def test_no_room_reads_or_writes_pickles(room):
    wrong = {
        str(path.relative_to(ROOT))
        for path in _files(room)
        for name in _imports(path)
        if name in {"pickle", "cloudpickle", "dill", "marshal", "shelve"}
    }
    assert not wrong
