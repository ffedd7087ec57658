"""The page that compares runs says what their folders say."""

import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

import pytest
from bs4 import BeautifulSoup
from typer.testing import CliRunner

from byline.catalog.errors import CheckpointError, ConfigError
from byline.cli.main import app
from byline.reports.runs import find_runs, read_run
from byline.reports.runs_page import runs_page
from byline.training.log import LOG, append_log
from tests.reports.runs import a_checkpoint, a_run, a_validation, an_about, an_entry


def page_of(*folders, **options):
    return BeautifulSoup(runs_page([read_run(folder) for folder in folders], **options), "html.parser")


def rows_of(table):
    return [[cell.get_text(" ", strip=True) for cell in row.find_all(["td", "th"])] for row in table.find_all("tr")]


def under(page, heading):
    """Return what follows a heading, up to the next one."""
    (found,) = [one for one in page.find_all("h2") if one.get_text().startswith(heading)]
    parts = []
    for one in found.find_next_siblings():
        if one.name == "h2":
            break
        parts.append(one)
    return parts


def test_a_run_is_a_row_with_its_release_and_how_often_it_saw_it(tmp_path):
    run = a_run(tmp_path / "one")
    info = a_checkpoint(tmp_path / "one")
    _, row = rows_of(page_of(run).table)
    assert row[0] == run
    assert row[1:] == [
        *("diffusion", "96 of 96", "6.00", "0.2500", "0.7000", "10", "2 x cpu", "tiny v1"),
        f"{info.digest[:12]} at 96",
    ]


def test_every_chart_draws_a_line_of_each_run(tmp_path):
    page = page_of(a_run(tmp_path / "one"), a_run(tmp_path / "two", losses=(2.0, 1.0)))
    charts = {chart["aria-label"]: chart for chart in page.select("svg.chart")}
    assert set(charts) >= {"loss of training", "loss on held-out pictures", "learning rate", "wait for data, ms a step"}
    for name, chart in charts.items():
        assert {one["data-line"] for one in chart.select("[data-line]")} == {"0", "1"}, name
    titles = [one.title.string for one in charts["loss of training"].select("path[data-line]:not(.thin)")]
    assert titles == [str(tmp_path / "one"), str(tmp_path / "two")]


def test_levels_are_steps_over_the_timesteps(tmp_path):
    page = page_of(a_run(tmp_path / "one"))
    (chart,) = page.select("svg[aria-label='the newest, from little noise to most']")
    places = [tuple(map(float, place.split())) for place in chart.select_one("path[data-line]")["d"][1:].split("L")]
    (left, high), (middle, _), (also_middle, low), (right, _) = places
    assert middle == also_middle == pytest.approx((left + right) / 2, abs=0.1)
    assert high < low
    assert len(page.select("details svg.chart")) == 2


def test_only_what_was_measured_on_the_same_is_in_one_chart(tmp_path):
    one, two = a_run(tmp_path / "one"), a_run(tmp_path / "two")
    (tmp_path / "two/validation.jsonl").unlink()
    append_log(tmp_path / "two/validation.jsonl", a_validation(32, of="b" * 64))
    page = page_of(one, two)
    charts = page.select("svg[aria-label='loss on held-out pictures']")
    assert [{line["data-line"] for line in chart.select("[data-line]")} for chart in charts] == [{"0"}, {"1"}]
    assert [code.string for code in page.select("h2 code")] == ["a" * 12, "b" * 12]


def test_grids_stand_side_by_side_the_newest_first(tmp_path):
    one, two = a_run(tmp_path / "one"), a_run(tmp_path / "two")
    (tmp_path / "two/samples/0000000096.png").write_bytes((tmp_path / "two/samples/0000000064.png").read_bytes())
    moments = page_of(one, two).select(".moment")
    assert [[figure["data-line"] for figure in moment.select("figure")] for moment in moments] == [["1"], ["0", "1"]]
    assert all(image["src"].startswith("data:image/jpeg;base64,") for image in page_of(one, two).select("img"))


def test_configs_differ_by_key(tmp_path):
    other = an_about(config={"optimizer": {"learning_rate": 2e-3}}, release_digest="e" * 64)
    one, two = a_run(tmp_path / "one"), a_run(tmp_path / "two", about=other)
    table = under(page_of(one, two), "In what they differ")[0].table
    assert rows_of(table)[1:] == [
        ["release digest", "f" * 16, "e" * 16],
        ["optimizer.learning_rate", "0.001", "0.002"],
    ]
    assert "In nothing" in under(page_of(one, a_run(tmp_path / "three")), "In what they differ")[0].get_text()


def test_waits_are_shares_of_steps(tmp_path):
    (_, first, second, *_) = rows_of(under(page_of(a_run(tmp_path / "one")), "Waits for data")[0].table)
    assert first == ["less than 1 ms", "3", "25.00 %", ""]
    assert second == ["less than 3 ms", "6", "50.00 %", ""]


def test_a_run_that_has_just_begun_and_one_of_an_older_byline_are_shown(tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / LOG).touch()
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / LOG).write_text('{"images_seen": 32, "loss": 0.5, "lr": 0.1, "images_per_s": 9.0}\n')
    _, new, old = rows_of(page_of(str(tmp_path / "new"), str(tmp_path / "old")).table)
    assert (new[1], new[2], new[-1]) == ("not stated", "0", "none yet")
    assert (old[2], old[4]) == ("32", "0.5000")
    assert not page_of(str(tmp_path / "new")).select("svg.chart")


def test_a_page_that_is_live_loads_itself_again(tmp_path):
    run = a_run(tmp_path / "one")
    assert "location.reload(), 10000" in page_of(run, reload_s=10).select_one("script").string
    assert "location.reload" not in page_of(run).select_one("script").string


def test_runs_are_found_below_the_current_folder(tmp_path, monkeypatch):
    for place in ("demo/a", "b"):
        a_run(tmp_path / place)
    monkeypatch.chdir(tmp_path)
    assert find_runs([]) == ["b", "demo/a"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda run: (run / LOG).write_text("{}\n"), r"log.jsonl is damaged: line 1 is no entry; remove that line"),
        (lambda run: (run / "run.json").write_text("{"), r"run.json is damaged; delete it"),
        (
            lambda run: (run / "checkpoints/0000000096/byline.json").write_text("{"),
            r"byline.json is damaged; no older one is whole",
        ),
        (lambda run: (run / "samples/0000000064.png").write_bytes(b"PNG"), r"0064.png is no picture; delete it"),
    ],
)
def test_what_is_damaged_is_named(tmp_path, damage, message):
    run = a_run(tmp_path / "one")
    a_checkpoint(tmp_path / "one")
    damage(tmp_path / "one")
    with pytest.raises(CheckpointError, match=message):
        page_of(run)


def test_no_run_is_one_line(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"no run in .*: it has no log.jsonl; byline train CONFIG writes one"):
        find_runs([str(tmp_path)])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="no training run in or below .*; name the folder of one"):
        find_runs([])


def test_the_losses_alone_are_an_svg(tmp_path):
    one, two, out = a_run(tmp_path / "one"), a_run(tmp_path / "two"), tmp_path / "new/loss.svg"
    done = CliRunner().invoke(app, ["runs", one, two, "--out", str(out)])
    assert done.stdout == f"{out} (2 runs)\n"
    texts = [text.text for text in ET.parse(out).iter("{http://www.w3.org/2000/svg}text")]
    assert {"96 images seen", "1", "0.25"} <= set(texts)


def test_live_follows_a_run_and_ends_with_a_page_at_rest(tmp_path):
    run, out = a_run(tmp_path / "one"), tmp_path / "runs.html"
    command = [sys.executable, "-m", "byline.cli.main", "runs", run, "--out", str(out), "--live", "1"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    assert process.stdout.readline() == f"{out} (1 run)\n"
    append_log(tmp_path / "one" / LOG, an_entry(4_000))
    while "4,000 images seen" not in out.read_text():
        assert process.poll() is None
        time.sleep(0.05)
    assert "location.reload" in out.read_text()
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert "location.reload" not in out.read_text()


def test_comparing_loads_no_torch(tmp_path):
    run = a_run(tmp_path / "one")
    code = f"""
import sys
from byline.reports.runs import read_run
from byline.reports.runs_page import runs_page
runs_page([read_run({run!r})])
print("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
