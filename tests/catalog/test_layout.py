"""One file spells where things lie in a corpus, and docs/architecture.md lists the same."""

import ast
import inspect
import re
import runpy
from pathlib import Path

import pytest

from byline.catalog.disk import layout

ROOT = Path(__file__).parent.parent.parent
FILES = sorted(set(runpy.run_path(str(ROOT / "scripts/rooms"))["MODULES"].values()))
OWNER = ROOT / "catalog/disk/layout.py"
NAMES = {*layout.PAPERS, layout.CORPUS_FILE} - {layout.LATEST, layout.WITHDRAWN_SAMPLES}
"""Names that mean nothing else, wherever they stand."""
STORE = {"files", "folders", "numbered", "exists", "remove", "open", "writing", "url", "local_path", "size_bytes"}
STORE |= {"read_bytes", "read_text", "read_table", "write_bytes", "write_table", "write_new", "write_new_table"}
"""Methods whose arguments are places: there the name of a folder is one; elsewhere it may be a column or a count."""


def spelled(code):
    """Yield line and text of each place of a corpus that code spells for itself."""
    tree = ast.parse(code)
    docstrings = {id(one.value) for one in ast.walk(tree) if isinstance(one, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in docstrings and _is_place(node.value):
            yield node.lineno, node.value
        for one in _places_in(node):
            if isinstance(one, ast.Constant) and one.value in {*layout.FOLDERS, layout.LATEST}:
                yield one.lineno, one.value


def _is_place(text):
    if not isinstance(text, str) or re.search(r"\s", text):  # a number, or words about a place
        return False
    first, last = text.partition("/")[0], text.rpartition("/")[2]
    return ("/" in text and (first in layout.FOLDERS or last == layout.LATEST)) or last in NAMES


def _places_in(node):
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in STORE:
        return node.args[:1]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return [node.right]
    if isinstance(node, ast.Assign) and any(isinstance(one, ast.Name) and one.id.isupper() for one in node.targets):
        return [node.value]
    return []


NO_PLACES = {
    ("catalog/corpora/corpus.py", layout.TAKEDOWNS),  # a key of corpus.toml
    ("pipelines/sources/ingesting.py", layout.RECORDS),  # in a scratch folder
}


def test_no_other_file_spells_a_place():
    wrong = {
        (str(path.relative_to(ROOT)), text, line)
        for path in FILES
        if path != OWNER
        for line, text in spelled(path.read_text())
    }
    assert {one[:2] for one in wrong} <= NO_PLACES, "take it from catalog/disk/layout.py"


@pytest.mark.parametrize(
    "code",
    [
        'store.files("packs", suffix=".tar")',
        'store.open(f"packs/{name}")',
        'FOLDER = "rechecks"',
        'FOLDER = f"facts/edges/{name}"',
        'folder / "LATEST"',
        'path = f"{release}/LATEST"',
        'read(f"{path}/manifest.json")',
        'papers["SHA256SUMS"] = sums',
    ],
)
def test_a_place_that_is_spelled_is_seen(code):
    assert list(spelled(code))


@pytest.mark.parametrize("code", ['counts["records"]', '"""packs/<pack>.parquet"""', "store.files(layout.PACKS)"])
def test_what_is_no_place_is_let_be(code):
    assert not list(spelled(code))


def _listing():
    text = (ROOT / "docs/architecture.md").read_text()
    return text.partition("```\n<corpus>/")[2].partition("```")[0]


def _listed():
    """Return what each line of the page's listing begins with: the paths before the words about them."""
    lines = [line for line in _listing().splitlines()[1:] if re.match(r"  \S", line)]
    return [
        path for line in lines for path in re.split(r"\s\s+(?=\S*\w+ )|\s{2,}", line.strip(), maxsplit=1)[0].split()
    ]


def test_the_page_lists_every_folder_and_no_other():
    tops = {path.partition("/")[0] for path in _listed()}
    assert tops == {*layout.FOLDERS, layout.CORPUS_FILE, layout.LOCK}


@pytest.mark.parametrize("name", [*layout.PAPERS, f"{layout.VERDICTS}/"])
def test_the_page_lists_what_is_in_a_release(name):
    assert name in _listing()


PLACES = {
    layout.records_file("<source>", "<run>"),
    layout.claims("<pack>"),
    layout.judged("<pack>"),
    f"{layout.ROWS}/",
    f"{layout.SEARCHES}/",
    f"{layout.SOURCES}/",
    f"{layout.journal('<pack>')}/",
    layout.pack_index("<pack>.NNN"),
    f"{layout.fact_segments('<measure>', '<instrument>', '<pack>')}NNN.parquet",
    layout.evaluation_set("<digest>"),
    layout.shard_file("<pack>-<split>-<digest>.tar"),
    layout.latest("<name>"),
    f"{layout.release('<name>', '<version>')}/",
    f"{layout.rechecks_of('<name>')}/<pack>.NNN.parquet",
    layout.build_file("NNNNN.json"),
    layout.encoding_file("<instrument>"),
    layout.DENYLIST_KEY,
    layout.denylist_file("<takedown>"),
    layout.receipt_file("<takedown>.json"),
    layout.PENDING,
    layout.PENDING_PRINTS,
    layout.written_file("<digest>.json"),
    layout.CORPUS_FILE,
    layout.LOCK,
}


def test_the_page_lists_every_place_and_no_other():
    assert set(_listed()) == PLACES


def test_every_function_of_the_layout_is_used():
    code = "".join(path.read_text() for path in FILES)
    names = [name for name, _ in inspect.getmembers(layout, inspect.isfunction)]
    assert not [name for name in names if len(re.findall(rf"\b{name}\(", code)) < 2]
