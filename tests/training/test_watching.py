"""A watched run writes what was asked for, and trains to the bits of one that nobody watched."""

import re
import shutil

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from byline.catalog.errors import ConfigError
from byline.diffusion.checkpoint import open_checkpoint
from byline.diffusion.grid import grid_png
from byline.diffusion.sampling import TextToImage
from byline.training.log import VALIDATION, ValidationEntry, read_entries, read_log
from byline.training.run import run
from byline.training.watch_config import SamplesConfig
from harness.run_configs import write_toml
from tests.training.builders import a_diffusion_run, a_release, an_autoencoder, an_autoencoder_run
from tests.training.test_run import digests_of, start

SAMPLES = {"every_images": 8, "prompts": ["a", "b"], "num_inference_steps": 2}
WATCH = {"validation": {"every_images": 8, "images": 3, "levels": 2}, "samples": SAMPLES}


def validations_of(folder):
    return read_entries(folder / VALIDATION, ValidationEntry)


def grids_of(folder):
    return {path.name: path.read_bytes() for path in sorted((folder / "samples").iterdir())}


def scalars_of(folder, name):
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return [(event.step, pytest.approx(event.value)) for event in events.Scalars(name)]


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A run that is watched, and the same one unwatched."""
    place = tmp_path_factory.mktemp("watched")
    release, autoencoder = a_release(place / "corpus"), an_autoencoder(place / "vae")
    for name, watch in (("watched", WATCH), ("plain", {})):
        config = a_diffusion_run(release, place / name, autoencoder, watch=watch)
        run(write_toml(place / f"{name}.toml", config))
    return place


@pytest.mark.slow
def test_watching_changes_no_bit(watched):
    assert digests_of(watched / "watched") == digests_of(watched / "plain")
    losses = [[entry.loss for entry in read_log(watched / name / "log.jsonl")] for name in ("watched", "plain")]
    assert losses[0] == losses[1]


@pytest.mark.slow
def test_what_was_asked_for_is_there(watched):
    entries = validations_of(watched / "watched")
    assert [entry.images_seen for entry in entries] == [8, 16, 24]
    assert {(entry.num_images, len(entry.levels), entry.of) for entry in entries} == {(3, 2, entries[0].of)}
    assert entries[0].loss == pytest.approx(sum(entries[0].levels) / 2)
    assert len({entry.loss for entry in entries}) == 3
    assert list(grids_of(watched / "watched")) == ["0000000008.png", "0000000016.png", "0000000024.png"]
    with Image.open(watched / "watched/samples/0000000024.png") as grid:
        assert np.asarray(grid).std() > 0
    assert not (watched / "plain/samples").exists()
    assert not (watched / "plain" / VALIDATION).exists()


@pytest.mark.slow
def test_the_last_grid_is_what_the_checkpoint_draws(watched):
    config = SamplesConfig(**SAMPLES)
    pictures = TextToImage.load(watched / "watched").sample(["a", "b"], config).numpy()
    notes = {"byline": config.model_dump_json(), "byline images seen": "24"}
    assert grids_of(watched / "watched")["0000000024.png"] == grid_png(pictures, ["a", "b"], notes=notes)


def test_an_entry_says_norms_waits_and_memory(watched):
    entry = read_log(watched / "watched/log.jsonl")[0]
    assert sum(entry.waits) == 1
    assert 0 < entry.wait_ms <= entry.wait_max_ms
    assert 0 < entry.grad_norm <= entry.grad_norm_max
    assert entry.memory_bytes > 1 << 20


def test_tensorboard_shows_what_the_logs_say(watched):
    for log, name, entries in (
        ("train", "loss", read_log(watched / "watched/log.jsonl")),
        ("held out", "loss", validations_of(watched / "watched")),
    ):
        assert scalars_of(watched / "watched", f"{log}/{name}") == [(one.images_seen, one.loss) for one in entries]
    levels = [(one.images_seen, one.levels[1]) for one in validations_of(watched / "watched")]
    assert scalars_of(watched / "watched", "held out/level 1") == levels


@pytest.mark.slow
def test_a_run_that_goes_on_takes_back_what_came_later(watched, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(watched / "watched", folder)
    before = (validations_of(folder), grids_of(folder), scalars_of(folder, "held out/loss"))
    shutil.rmtree(open_checkpoint(folder)[0])
    path = tmp_path / "run.toml"
    path.write_text((watched / "watched.toml").read_text().replace(str(watched / "watched"), str(folder)))
    run(path)
    assert (validations_of(folder), grids_of(folder), scalars_of(folder, "held out/loss")) == before


@pytest.mark.slow
def test_what_is_held_out_does_not_depend_on_the_seed(watched, tmp_path):
    release, autoencoder = f"{watched}/corpus/releases/tiny", str(watched / "vae")
    config = a_diffusion_run(release, tmp_path / "run", autoencoder, watch=WATCH, seed=7, images=8)
    run(write_toml(tmp_path / "run.toml", config))
    (entry,) = validations_of(tmp_path / "run")
    first = validations_of(watched / "watched")[0]
    assert entry.of == first.of
    assert entry.loss != first.loss


def test_an_autoencoder_is_measured_by_its_loss(tmp_path):
    watch = {"validation": {"every_images": 8, "images": 3}}
    config = an_autoencoder_run(a_release(tmp_path / "corpus"), tmp_path / "run", watch=watch)
    run(write_toml(tmp_path / "run.toml", config))
    entries = validations_of(tmp_path / "run")
    assert [(entry.images_seen, len(entry.levels)) for entry in entries] == [(8, 1), (16, 1), (24, 1)]
    assert entries[-1].loss < entries[0].loss


def test_a_release_that_holds_nothing_out_cannot_validate(tmp_path):
    watch = {"validation": {"every_images": 8}}
    release = a_release(tmp_path / "corpus", heldout=0)
    config = an_autoencoder_run(release, tmp_path / "run", watch=watch)
    with pytest.raises(ConfigError, match="release tiny has none; remove the table"):
        run(write_toml(tmp_path / "run.toml", config))


def test_looks_come_with_entries_of_the_log(tmp_path):
    with pytest.raises(ValueError, match=r"watch.samples.every_images = 6 must be a multiple of 4"):
        a_diffusion_run("release", tmp_path, "vae", watch={"samples": {"every_images": 6, "prompts": ["a"]}})


def with_wandb(place):
    config = an_autoencoder_run(
        a_release(place / "corpus"), place / "run", images=8, watch={"wandb": {"project": "byline"}}
    )
    return write_toml(place / "run.toml", config)


@pytest.mark.slow
def test_wandb_is_told_when_the_config_asks(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert run(with_wandb(tmp_path)) == 0
    (record,) = (tmp_path / "run/wandb").glob("offline-run-*/run-*.wandb")
    assert b"train/grad_norm" in record.read_bytes()


@pytest.mark.slow
def test_wandb_that_knows_nobody_is_one_line(tmp_path, monkeypatch):
    """In a process of its own: wandb reads its settings once."""
    pytest.importorskip("wandb")
    for name, value in (
        ("WANDB_MODE", "online"),
        ("WANDB_API_KEY", ""),
        ("HOME", str(tmp_path)),
        ("NETRC", "/dev/null"),
    ):
        monkeypatch.setenv(name, value)
    process = start(with_wandb(tmp_path))
    _, errors = process.communicate()
    assert process.returncode == 2
    assert re.search(r"^byline: watch.wandb: No API key .*; or set WANDB_MODE=offline, or remove", errors, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("deepspeed", ["cpu", "zero2", "zero3"])
def test_two_ranks_measure_what_one_does(watched, tmp_path, deepspeed):
    """Three pictures, so one rank has two of them."""
    release, autoencoder = f"{watched}/corpus/releases/tiny", str(watched / "vae")
    config = a_diffusion_run(
        release, tmp_path / "run", autoencoder, watch=WATCH, machine={"num_ranks": 2, "deepspeed": deepspeed}
    )
    process = start(write_toml(tmp_path / "run.toml", config))
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    pairs = list(zip(validations_of(tmp_path / "run"), validations_of(watched / "watched"), strict=True))
    assert [(one.images_seen, one.of) for one, _ in pairs] == [(two.images_seen, two.of) for _, two in pairs]
    for by_two, by_one in pairs:
        assert by_two.levels == pytest.approx(by_one.levels, rel=1e-3)
    assert list(grids_of(tmp_path / "run")) == list(grids_of(watched / "watched"))
    assert sum(read_log(tmp_path / "run/log.jsonl")[0].waits) == 2
