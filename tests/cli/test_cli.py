"""The command line as people meet it."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from byline.cli.main import app
from byline.pipelines.beam.build import build
from tests.builders import a_corpus, a_picture, a_yfcc_line, encoded, write_corpus


def _byline(*arguments, cwd=None):
    command = [sys.executable, "-m", "byline.cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def test_help_is_a_table_of_contents():
    text = CliRunner().invoke(app, ["--help"]).output
    for verb in ("build", "verify", "train", "sample", "report"):
        assert f" {verb} " in text


@pytest.mark.parametrize("command", app.registered_commands, ids=lambda command: command.callback.__name__)
def test_every_verb_has_an_example(command):
    assert f"Example: byline {command.callback.__name__} " in command.callback.__doc__


def test_help_loads_no_heavy_library():
    code = "import sys, byline.cli.main; print([m for m in ('torch', 'apache_beam', 'pyarrow') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["build", "none.toml"], "no config file at none.toml"),
        (["verify", "nowhere"], "nowhere is not a release"),
        (["verify", "x/releases/y"], "no release y in x"),
        (["report", "x/releases/y"], "no release y in x"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_exit_code_2(arguments, message, tmp_path):
    done = _byline(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.beam
def test_what_follows_two_dashes_goes_to_beam(tmp_path):
    config = a_corpus(tmp_path, num_pictures=1, num_packs=1)
    config.write_text(config.read_text().split("[serve]")[0])
    done = _byline("build", config, "--", "--runner=NoSuchRunner")
    assert done.returncode == 2
    assert "Beam refuses the options after --: " in done.stderr
    assert "NoSuchRunner" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stray", "wrong"),
    [
        (["--workres", "7"], "--workres"),
        (["stray.toml"], "stray.toml"),
        (["--", "--runer=FlinkRunner"], "--runer=FlinkRunner"),
    ],
)
def test_mistyped_options_are_told(tmp_path, stray, wrong):
    done = _byline("build", a_corpus(tmp_path, num_pictures=1, num_packs=1), *stray)
    assert done.returncode == 2
    assert wrong in done.stderr


@pytest.mark.slow
@pytest.mark.beam
def test_build_then_verify_then_damage(tmp_path):
    config = a_corpus(tmp_path, num_pictures=4, num_packs=1)
    built = _byline("build", config, "--workers", "1")
    assert built.returncode == 0, built.stderr
    release = built.stdout.strip()
    assert _byline("verify", release).stdout.startswith(f"{release} is whole: 4 samples")
    shard = next((tmp_path / "corpus/shards").glob("*.tar"))
    shard.unlink()
    damaged = _byline("verify", release)
    assert damaged.returncode == 1
    assert shard.name in damaged.stdout


@pytest.mark.beam
def test_the_report_holds_every_record_and_nothing_that_a_source_could_run(tmp_path):
    hostile = "</script><img src=x onerror=alert(1)>"
    lines = [
        a_yfcc_line("1", "https://pictures.example/1.jpg", title=hostile.replace(" ", "+")),
        a_yfcc_line("2", "https://pictures.example/2.jpg", unickname="和平", pageurl="javascript:alert(1)"),
        a_yfcc_line("3", "https://pictures.example/3.jpg", licensename="All Rights Reserved", licenseurl=""),
    ]
    config = write_corpus(tmp_path, lines)
    for number in (1, 2):
        (tmp_path / f"pictures/{number}.jpg").write_bytes(encoded(a_picture(number)))
    build(str(config), workers=1)
    page = tmp_path / "report.html"
    result = CliRunner().invoke(app, ["report", str(tmp_path / "corpus/releases/small"), "--out", str(page)])
    assert result.exit_code == 0, result.output
    text = page.read_text()
    assert "<img src=x" not in text
    assert "javascript:" not in text
    assert "和平" in text
    assert text.count('"record_id":') == 3
    assert "license:LicenseRef-all-rights-reserved" in text
