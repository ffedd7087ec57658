"""What docs/ say of the code is so: examples run, names and paths exist, links lead somewhere."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

from tests.test_architecture import MODULES

ROOT = Path(__file__).parent.parent
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
EXAMPLES = sorted(module for module, path in MODULES.items() if ">>> " in path.read_text())
NAMED = sorted(set(re.findall(r"`(byline(?:\.[a-zA-Z_]+)+)", (ROOT / "docs/api.md").read_text())))


@pytest.mark.parametrize("module", EXAMPLES)
def test_examples_in_docstrings_run(module):
    ran = doctest.testmod(importlib.import_module(f"byline.{module}"))
    assert ran.attempted
    assert not ran.failed


@pytest.mark.parametrize("name", NAMED)
def test_what_the_api_page_names_exists_and_says_what_it_is(name):
    assert _found(name).__doc__


def _found(name):
    """Return a module, or what a module holds."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        holder, _, last = name.rpartition(".")
        return getattr(_found(holder), last)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings_that_are_there(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target or target.startswith("<"):
            continue
        path, _, heading = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not heading or heading in _headings(file.read_text()), target


def _headings(text):
    return {
        re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in text.splitlines()
        if line.startswith("#")
    }


def test_the_start_page_names_every_page():
    text = (ROOT / "docs/README.md").read_text()
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"} <= set(
        re.findall(r"\((?:\.\./)?([\w-]+\.md)\)", text)
    )


def test_paths_that_pages_name_are_there():
    named = {
        (page.name, path)
        for page in PAGES
        for path in re.findall(
            r"`((?:catalog|pictures|pipelines|dedup|captioning|diffusion|training|evaluation|cli|tests|scripts|configs|benchmarks)/[\w./-]*\w)`",
            page.read_text(),
        )
    }
    assert named
    assert not {(page, path) for page, path in named if not (ROOT / path).exists()}
