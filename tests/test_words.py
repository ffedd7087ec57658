"""Words that readers meet alone: a docstring continues nothing, and a parameter is named after what it is."""

import ast

import jinja2
import pytest

from tests.test_architecture import MODULES, ROOT

CONTINUING = frozenset(
    "after again also among and as at because before below beside between beyond but by down for from in inside "
    "likewise meant of on or over than through to under until while with within without".split()
)
"""First words of what goes on with something else: `"Of the tar's bytes."` leaves open what of them is meant."""
VAGUE = frozenset({"found", "mine", "one", "said"})
"""What any value may be called, and so tells nothing of this one."""
VAGUE_VARIABLES = VAGUE | {"place", "told"}
"""The same of variables: what they hold has a name of its own, such as an offset, an index, a folder or a message."""
NAMED = (
    *("audits", "benchmarks", "captioning", "catalog", "cli", "dedup", "diffusion", "doctor", "evaluation", "exports"),
    *("harness", "pages", "pictures", "pipelines", "reports", "samples", "training"),
)
"""Folders whose variables are named after what they hold."""
PLACES = ("catalog/configs/places.py", "pipelines/rights/traces", "pipelines/sources/readers")
"""Where a place is a word of its own: what a config names; that of a sample in a shard; that of a row in its source."""


def _continuing(source):
    """Yield what continues something, among the docstrings of the classes, functions and attributes of a module."""
    for text in _docstrings(ast.parse(source)):
        if not text.strip() or text.split()[0].strip(",.:").lower() in CONTINUING:
            yield text


def _docstrings(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for statement in node.body[isinstance(node, ast.Module) :]:
                match statement:
                    case ast.Expr(value=ast.Constant(value=str(text))):
                        yield text


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_docstring_continues_nothing(module):
    assert not list(_continuing(MODULES[module].read_text()))


def test_a_docstring_that_continues_something_is_found():
    source = '"""A file."""\nclass Shard:\n    """A tar."""\n    size: int\n    """Of the tar."""\n    """As read."""\n'
    assert list(_continuing(source)) == ["Of the tar.", "As read."]


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_parameter_is_named_after_what_it_is(module):
    assert not list(_vague_parameters(MODULES[module].read_text()))


def test_a_vague_parameter_is_found():
    assert list(_vague_parameters("def read(path, *, said): ...\n\nclass Shard:\n    def has(self, one): ...\n")) == [
        "said",
        "one",
    ]


def _vague_parameters(source):
    """Yield what tells nothing, among the parameters of the functions of a module; a lambda is read at one glance."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (arg.arg for arg in (*node.args.args, *node.args.kwonlyargs) if arg.arg in VAGUE)


@pytest.mark.parametrize("folder", NAMED)
def test_a_variable_is_named_after_what_it_holds(folder):
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    vague = {(path, name) for path in files for name in _vague_variables(path.read_text())}
    assert not {(path, name) for path, name in vague if name != "place" or not _has_places(path)}


def _has_places(path):
    return any(path.is_relative_to(ROOT / place) for place in PLACES)


@pytest.mark.parametrize("template", sorted(ROOT.glob("*/**/*.j2")), ids=lambda path: path.name)
def test_a_variable_of_a_page_is_named_after_what_it_holds(template):
    assert not list(_vague_in_template(template.read_text()))


def test_a_vague_variable_of_a_page_is_found():
    source = (
        "{% macro shown(one) %}{{ one }}{% endmacro %}{% for found in rows %}{{ said }}{% endfor %}{% set told = 1 %}"
    )
    assert list(_vague_in_template(source)) == ["one", "found", "told"]


def _vague_in_template(source):
    for name in jinja2.Environment().parse(source).find_all(jinja2.nodes.Name):
        if name.ctx != "load" and name.name in VAGUE_VARIABLES:
            yield name.name


def test_a_vague_variable_is_found():
    source = (
        "one = 1\nfor place, _ in rows: ...\ncounts = [told for told in rows]\nsorted(rows, key=lambda said: said)\n"
        "if mine := rows: ...\ndef read(path, *places, found): ...\nwith open(path) as file: ...\n"
        "class Plan:\n    found: int\n    said = 1\n"
        "try: ...\nexcept ValueError as told: ...\nmatch rows:\n    case [str() as found, *one]: ...\n"
    )
    assert sorted(_vague_variables(source)) == sorted("found found mine one one place said said told told".split())


def _vague_variables(source):
    """Yield what tells nothing, among all that a module binds: variables, those of loops, and parameters.

    A field of a class is left out: its type and what it is stand beside it, and JSON that people read has its name.
    """
    tree = ast.parse(source)
    fields = {
        statement.target
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        if isinstance(statement, ast.AnnAssign)
    }
    for node in set(ast.walk(tree)) - fields:
        match node:
            case (
                ast.Name(id=name, ctx=ast.Store())
                | ast.arg(arg=name)
                | ast.ExceptHandler(name=name)
                | ast.MatchAs(name=name)
                | ast.MatchStar(name=name)
            ) if name in VAGUE_VARIABLES:
                yield name
