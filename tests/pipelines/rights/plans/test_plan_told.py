"""What `byline plan` prints, as a table and as JSON, and its one-line errors."""

import json
import subprocess
import sys

import pytest
from typer import Typer
from typer.testing import CliRunner

from byline.catalog.errors import ConfigError, CorpusError
from byline.cli.plan import plan as plan_verb
from byline.pipelines.corpora.config import load_corpus_config, load_policy
from byline.pipelines.rights.plans.planning import make_plan
from tests.builders import POLICY
from tests.pipelines.rights.plans.planned import (
    LAX,
    NARROW,
    plan_of,
)

pytestmark = pytest.mark.beam


def _run(*arguments):
    app = Typer()
    app.command()(plan_verb)
    return CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "80"})


@pytest.mark.slow
def test_json_has_the_whole_plan_in_order(story):
    config, _ = story
    result = _run(config, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == plan_of(config, POLICY).model_dump(mode="json")
    assert list(json.loads(result.stdout)) == sorted(json.loads(result.stdout))
    documented = plan_verb.__doc__.split("The keys of --json, which stay: ")[1]
    assert all(f"{key}" in documented for key in json.loads(result.stdout) if key != "name")


def test_the_terminal_shows_a_plan_in_80_columns_and_nothing_that_a_source_could_do(story):
    config, _ = story
    path = config.parent / "narrow.toml"
    path.write_text(NARROW.replace("radius_bits = 12", LAX))
    result = _run(config, "--policy", path)
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.stdout
    assert '[red]Eve [2J \\"q" 和 (test)' in result.stdout
    assert "license:CC-BY-SA-4.0" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_a_policy_that_leaves_nothing_is_told(story):
    config, _ = story
    path = config.parent / "nothing.toml"
    path.write_text(POLICY.replace('["CC0", "CC-BY", "CC-BY-SA"]', '["MIT"]'))
    result = _run(config, "--policy", path)
    assert result.exit_code == 0
    assert "Nothing would be left: byline build would make no release." in result.stdout


def test_what_cannot_be_planned_is_an_error(story, tmp_path):
    config, _ = story
    path = tmp_path / "unknown.toml"
    path.write_text(POLICY + "[sources.nowhere.image]\nmin_side_px = 3\n")
    with pytest.raises(ConfigError, match=r"\[sources.nowhere\] is no source of the corpus; they are test"):
        load_policy(str(path), ["test"])
    made, policy = load_corpus_config(str(config))
    with pytest.raises(CorpusError, match="no corpus at .*/nowhere; make one with: byline build"):
        make_plan(made.model_copy(update={"root": str(tmp_path / "nowhere")}), policy)


def test_planning_loads_neither_beam_nor_torch():
    code = (
        "import sys, byline.cli.plan, byline.cli.diff, byline.pipelines.corpora.config\n"
        "import byline.pipelines.rights.plans.planning, byline.pipelines.rights.plans.differences\n"
        "print([name for name in ('apache_beam', 'torch', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
