"""`byline evaluate`: what it writes is what was measured, again to the byte, and what it cannot measure it says."""

import json
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup
from typer.testing import CliRunner

from byline.catalog.corpora.manifest import Release
from byline.catalog.errors import ConfigError
from byline.cli.main import app
from byline.diffusion.checkpoint import open_checkpoint
from byline.diffusion.configs import SamplingConfig
from byline.diffusion.sampling import TextToImage
from byline.evaluation.features import load_features
from byline.evaluation.measures import evaluate
from byline.evaluation.pictures import read_pictures
from byline.evaluation.report import read_reports
from byline.exports.model import ModelExport, export_model
from byline.training.log import VALIDATION, ValidationEntry, read_entries
from byline.training.run import run
from harness.run_configs import write_toml
from tests.evaluation.towers import a_dinov2, saved
from tests.training.builders import a_diffusion_run, a_release, an_autoencoder

pytestmark = pytest.mark.slow

WATCH = {"validation": {"every_images": 24, "images": 60, "levels": 5}}
ALSO_REFUSED = ["agreement", "color", "shape", "stripes"]
"""The pictures are random colors, and their captions numbers."""
FAST = ["--steps", "2", "--no-controls"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    release = a_release(folder / "c", packs=1, train=60, heldout=60)
    config = a_diffusion_run(release, folder / "run", an_autoencoder(folder / "vae"), watch=WATCH)
    run(write_toml(folder / "run.toml", config))
    return str(folder / "run"), release, saved(folder / "tower", a_dinov2())


def _evaluated(trained, out, *options):
    checkpoint, release, tower = trained
    return CliRunner().invoke(
        app, ["evaluate", checkpoint, release, "--features", tower, "--out", str(out), *options], catch_exceptions=True
    )


@pytest.fixture(scope="module")
def written(trained, tmp_path_factory):
    out = tmp_path_factory.mktemp("evaluated") / "evaluation.json"
    done = _evaluated(trained, out, "--steps", "2")
    assert done.exit_code == 0, done.exception
    return out


def test_the_numbers_are_those_of_the_library(trained, written):
    checkpoint, release_url, tower = trained
    held_out = read_pictures(Release(release_url), "heldout", side_px=16)
    sampling = SamplingConfig(num_inference_steps=2)
    drawn = TextToImage.load(checkpoint).sample(list(held_out.captions), sampling).numpy()
    wanted = evaluate(drawn, held_out.pixels_nchw, load_features(tower), measures=["kid", "coverage", "frechet"])
    told = {report["claim"].split(":")[0]: report for report in json.loads(written.read_text())["reports"]}
    for one in wanted:
        assert told[one.name]["value"] == one.value
        assert told[one.name]["interval"] == list(one.interval)
        assert told[one.name]["n"] == 60


def test_the_loss_is_what_the_run_logged(trained, written):
    (logged,) = read_entries(Path(trained[0]) / VALIDATION, ValidationEntry)
    told = json.loads(written.read_text())
    assert [level["value"] for level in told["loss_by_level"]] == pytest.approx(logged.levels, rel=1e-3)
    (loss,) = [report for report in told["reports"] if report["claim"].startswith("loss")]
    assert loss["value"] == pytest.approx(logged.loss, rel=1e-3)


def test_real_and_wrong_pictures_stand_beside_it(written):
    told = json.loads(written.read_text())
    assert told["real"]["kid"]["n"] == 60
    assert set(told["controls"]) > {"blurred", "upside down", "5 pictures repeated"}
    assert told["controls"]["5 pictures repeated"]["recall"]["value"] == 0
    assert [one["name"] for one in told["refused"]] == ["cmmd", *ALSO_REFUSED]


def test_the_page_shows_the_numbers_and_the_pictures(written):
    page = BeautifulSoup(written.with_suffix(".html").read_text(), "html.parser")
    charts = {chart.h3.string: chart for chart in page.select(".charts > div")}
    assert list(charts) == ["kid", "mmd", "frechet", "precision", "recall", "density", "coverage"]
    told = json.loads(written.read_text())
    value = next(report["value"] for report in told["reports"] if report["claim"].startswith("kid:"))
    assert f"{value:.4f}" in charts["kid"].select_one("g.model title").string
    assert len(page.select(".pairs li")) == 60
    assert not page.select("[style], [onclick]")


def test_again_is_the_same_to_the_byte(trained, tmp_path):
    texts = []
    for name in ("a", "b"):
        out = tmp_path / name / "evaluation.json"
        assert _evaluated(trained, out, *FAST, "--samples", "50").exit_code == 0
        texts.append((out.read_bytes(), out.with_suffix(".html").read_bytes()))
    assert texts[0] == texts[1]


def test_the_command_that_is_told_makes_it_again(trained, tmp_path):
    _evaluated(trained, tmp_path / "a.json", *FAST, "--measures", "kid", "--samples", "50", "--seed", "3")
    told = json.loads((tmp_path / "a.json").read_text())
    arguments = told["command"].split()[1:]
    assert CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "b.json")]).exit_code == 0
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_only_what_is_asked_for_is_measured(trained, tmp_path):
    assert _evaluated(trained, tmp_path / "e.json", "--measures", "loss").exit_code == 0
    told = json.loads((tmp_path / "e.json").read_text())
    assert [report["claim"].split(":")[0] for report in told["reports"]] == ["loss"]
    assert told["features"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--measures", "fid"], "no measure is called 'fid'; they are kid, mmd, frechet, cmmd, precision"),
        (["--measures", "kid", "--samples", "10"], "needs 50 pictures, and there are 10"),
        (["--measures", "cmmd"], "cmmd is defined for the image tower of CLIP, not for"),
        (["--measures", "color"], "color needs 20 captions of hearts, circles and squares"),
        (["--features", "nowhere"], "no folder 'nowhere' with a vision model"),
        (["--sampler", "dream"], "sampler"),
        (["--device", "tpu9"], "no device 'tpu9' here"),
    ],
)
def test_what_cannot_be_measured_is_one_line(trained, tmp_path, options, message):
    done = _evaluated(trained, tmp_path / "e.json", *options)
    assert isinstance(done.exception, ValueError)
    assert message in str(done.exception)
    assert "\n" not in str(done.exception)
    assert not list(tmp_path.iterdir())


def test_another_release_is_refused(trained, tmp_path):
    other = a_release(tmp_path / "c")
    done = _evaluated((trained[0], other, trained[2]), tmp_path / "e.json")
    assert "was trained on release" in str(done.exception)


def test_an_evaluation_stands_on_the_card(trained, written, tmp_path):
    export_model(trained[0], str(tmp_path / "model"), ModelExport(reports=(written,)))
    card = (tmp_path / "model" / "README.md").read_text()
    (_, info) = open_checkpoint(trained[0])
    for report in json.loads(written.read_text())["reports"]:
        assert report["digests"]["checkpoint"] == info.digest
        assert f"{report['value']:.4g}" in card
        assert np.isfinite(report["value"])


def test_a_measurement_without_its_run_is_no_report(trained, written):
    done = CliRunner().invoke(app, ["report", trained[1], "--measured", str(written)])
    assert "is about a model; name the run that it measures, after the release" in str(done.exception)


def test_reports_of_another_checkpoint_are_refused(written, tmp_path):
    with pytest.raises(ConfigError, match="measures checkpoint .*, not ffffffffffff; measure this one"):
        read_reports(written, "f" * 64)
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(ConfigError, match="list.json is no report, as byline evaluate and the audits write one"):
        read_reports(tmp_path / "list.json", "f" * 64)
