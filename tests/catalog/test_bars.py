"""Bars: on a terminal alone, and made in one place."""

import ast
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from byline.catalog.bars import bar

ROOT = Path(__file__).parents[2]


def _drawn(*, term, is_terminal, **options):
    screen = StringIO()
    console = Console(file=screen, force_terminal=is_terminal, width=80, _environ={"TERM": term})
    with bar(console=console, **options) as progress:
        progress.advance(progress.add_task("verify", total=1))
    return screen.getvalue()


@pytest.mark.parametrize(
    ("term", "is_terminal", "options"),
    [("xterm", False, {}), ("xterm", False, {"stays": True}), ("dumb", True, {}), ("xterm", True, {"shown": False})],
)
def test_where_nobody_looks_nothing_is_written(term, is_terminal, options):
    assert _drawn(term=term, is_terminal=is_terminal, **options) == ""


@pytest.mark.parametrize(("options", "is_gone"), [({}, True), ({"stays": True}, False)])
def test_a_terminal_shows_a_bar(options, is_gone):
    drawn = _drawn(term="xterm", is_terminal=True, **options)
    assert "verify" in drawn
    assert drawn.endswith("\x1b[1A\x1b[2K") == is_gone


def test_no_room_makes_a_bar_of_its_own():
    makers = [
        path.relative_to(ROOT).as_posix()
        for room in ("catalog", "pipelines", "training", "evaluation", "audits", "cli")
        for path in (ROOT / room).rglob("*.py")
        if any(_makes_a_bar(node) for node in ast.walk(ast.parse(path.read_text())))
    ]
    assert makers == ["catalog/bars.py"]


def _makes_a_bar(node):
    makers = ("Progress", "_Bar", "track")
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in makers
