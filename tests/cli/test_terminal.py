"""What a person at a terminal sees, in a real one: the first line, the bars, Ctrl-C, help at 80 columns."""

import re
import subprocess
import sys
import time
from importlib.metadata import version

import pytest
from typer.main import get_command

from byline.cli.main import app
from byline.pipelines.beam.build import STAGES
from harness.run_configs import write_toml
from tests.builders import a_corpus, a_picture, a_yfcc_line, encoded
from tests.cli.terminal import run_in_terminal
from tests.training.builders import a_release, an_autoencoder_run

GOES_ON = "byline: stopped; what is done is kept: run the same command again, it goes on where it was"


def _verbs(command, name=""):
    if hasattr(command, "commands"):
        for child, inner in command.commands.items():
            yield from _verbs(inner, f"{name} {child}".strip())
    else:
        yield name, command


VERBS = dict(_verbs(get_command(app)))


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_no_name_is_cut_in_the_help_of_80_columns(verb, tmp_path):
    terminal = run_in_terminal(*verb.split(), "--help", folder=tmp_path)
    assert terminal.wait() == 0
    lines = terminal.shown.decode().splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if "…" in line]
    words = {word for line in lines for word in re.split(r"[\s,]+", line)}
    names = {name for param in VERBS[verb].params for name in (*param.opts, *param.secondary_opts)}
    assert {name for name in names if name.startswith("--")} <= words


def test_the_help_of_all_verbs_is_whole_at_80_columns(tmp_path):
    terminal = run_in_terminal("--help", folder=tmp_path)
    assert terminal.wait() == 0
    shown = terminal.shown.decode()
    assert "…" not in shown
    for name in ("--version", "--install-completion", *(verb.split()[0] for verb in VERBS)):
        assert re.search(rf"(?<!\S){name}(?!\S)", re.sub(r"\x1b\[[0-9;]*m", "", shown)), name


@pytest.mark.slow
@pytest.mark.beam
def test_a_build_shows_something_at_once_and_no_bar_for_what_it_need_not_do(tmp_path):
    config = a_corpus(tmp_path, num_pictures=2, num_packs=1)
    first = run_in_terminal("build", str(config), folder=tmp_path)
    assert first.wait() == 0
    assert first.first_after_s < 3  # a second where nothing else runs
    assert first.shown.startswith(f"byline build {config}: loading\r\n".encode())
    assert b"fetch" in first.shown
    assert _bars(first) == STAGES
    assert _bars(_built(config)) == ["judge"]


@pytest.mark.slow
@pytest.mark.beam
def test_a_build_on_beam_shows_no_bar_for_what_is_done(tmp_path):
    config = a_corpus(tmp_path, num_pictures=2, num_packs=1)
    assert _built(config).code == 0
    on_beam = ("--", "--job_name=again")
    assert _bars(_built(config, *on_beam)) == ["judge claims", "judge"]
    with (tmp_path / "metadata.tsv").open("a") as file:
        file.write(a_yfcc_line("2", "https://pictures.example/2.jpg") + "\n")
    (tmp_path / "pictures/2.jpg").write_bytes(encoded(a_picture(2)))
    grown = _built(config)
    assert _bars(grown) == STAGES
    assert "3/3" in grown.shown.decode()
    policy = tmp_path / "policy.toml"
    policy.write_text(policy.read_text().replace("heldout_fraction = 0.2", "heldout_fraction = 0.3"))
    assert set(_bars(_built(config))) <= {"judge", "write shards"}


def _built(config, *options):
    terminal = run_in_terminal("build", str(config), *options, folder=config.parent)
    assert terminal.wait() == 0, terminal.shown.decode()
    return terminal


def _bars(terminal):
    """Return the stages that had a bar at any time: a name, then a bar of 30 characters."""
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.shown.decode())
    return [stage for stage in STAGES if re.search(rf"(?:^|[\r\n]){stage} +[━╸╺]", shown)]


@pytest.mark.slow
@pytest.mark.beam
def test_ctrl_c_in_a_build_says_how_to_go_on(tmp_path):
    config = a_corpus(tmp_path, num_pictures=60, num_packs=3)
    terminal = run_in_terminal("build", str(config), folder=tmp_path)
    terminal.read(until=b"ingest ")
    terminal.press_ctrl_c()
    pressed = time.monotonic()
    assert terminal.wait() == 130
    assert time.monotonic() - pressed < 30
    _ends_with_one_line(terminal, GOES_ON)


@pytest.mark.slow
@pytest.mark.parametrize("num_ranks", [1, 2])
def test_ctrl_c_in_training_says_how_to_go_on(tmp_path, num_ranks):
    config = an_autoencoder_run(a_release(tmp_path / "corpus"), tmp_path / "run")
    config = config.model_copy(
        update={
            "images": 10**6 * config.batch_size,
            "machine": config.machine.model_copy(update={"num_ranks": num_ranks}),
        }
    )
    path = write_toml(tmp_path / "run.toml", config)
    terminal = run_in_terminal("train", str(path), folder=tmp_path)
    until = time.monotonic() + 120
    while not (tmp_path / "run/log.jsonl").exists() and time.monotonic() < until:
        time.sleep(0.1)
    terminal.press_ctrl_c()
    assert terminal.wait() == 130
    _ends_with_one_line(terminal, GOES_ON)


def test_ctrl_c_while_hashing_says_that_nothing_was_written(tmp_path):
    a_corpus(tmp_path, num_pictures=400, num_packs=1)
    terminal = run_in_terminal("hashes", "pictures", "--out", "hashes.parquet", folder=tmp_path)
    terminal.read(until=b"loading")
    terminal.press_ctrl_c()
    assert terminal.wait() == 130
    _ends_with_one_line(terminal, "byline: stopped; nothing is half done: run the same command again")
    assert not (tmp_path / "hashes.parquet").exists()


def _ends_with_one_line(terminal, line):
    shown = terminal.shown.decode()
    assert shown.rstrip().endswith(line), shown[-2000:]
    assert "Traceback" not in shown
    assert "Error" not in shown


def test_the_version_is_told_without_heavy_imports():
    code = (
        "import sys; sys.argv[1:] = ['--version']\n"
        "try:\n    from byline.cli.main import main; main()\n"
        "finally: print([m for m in ('torch', 'apache_beam', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"byline {version('byline')}\n[]\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_complete_verbs(shell):
    typed = {"bash": {"COMP_WORDS": "byline bu", "COMP_CWORD": "1"}, "zsh": {"_TYPER_COMPLETE_ARGS": "byline bu"}}
    given = typed.get(shell, {"_TYPER_COMPLETE_ARGS": "byline bu", "_TYPER_COMPLETE_FISH_ACTION": "get-args"})
    done = subprocess.run(
        [sys.executable, "-c", "from byline.cli.main import app; app(prog_name='byline')"],
        env={"_BYLINE_COMPLETE": f"complete_{shell}", "PYTHONPATH": ":".join(sys.path), **given},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "build" in done.stdout, done
