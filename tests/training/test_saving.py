"""Checkpoints that are written while the run goes on, and what becomes of a run whose disk is full."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
import torch

from byline.catalog.corpora.manifest import Release
from byline.catalog.errors import CheckpointError
from byline.diffusion.checkpoint import checkpoint_names, file_digest, open_checkpoint
from byline.training.log import read_log
from byline.training.run import run
from byline.training.samples import times_seen
from harness.run_configs import write_toml
from tests.training.builders import a_diffusion_run, a_release, an_autoencoder, an_autoencoder_run
from tests.training.processes import ended, lines_of_ours, rank_of, start_python

LIMITED = """
import resource, sys
from byline.training.run import main
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
sys.exit(main(sys.argv[1]))
"""
"""A run on a disk that takes no file of more than 20 kB."""


@pytest.fixture(autouse=True)
def one_thread():
    """Other processes of a busy machine make small networks on several threads slow."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.parametrize("num_ranks", [1, 2])
def test_a_full_disk_ends_the_run_with_one_line_and_the_last_checkpoint_stays(tmp_path, num_ranks):
    machine = {"num_ranks": num_ranks, "timeout_minutes": 2}
    config = an_autoencoder_run(a_release(tmp_path / "corpus"), tmp_path / "run", images=16, machine=machine)
    path = write_toml(tmp_path / "run.toml", config)
    run(path)
    folder, info = open_checkpoint(tmp_path / "run")
    longer = write_toml(path, config.model_copy(update={"images": 24}))
    ((code, error),) = ended([start_python(["-c", LIMITED, str(longer)])])
    (line,) = lines_of_ours(error)
    assert code == 2
    assert "cannot write the checkpoint of 24 images" in line
    assert f"{folder} is the last one; make room and run the same command to go on" in line
    assert open_checkpoint(tmp_path / "run") == (folder, info)
    assert not list((tmp_path / "run" / "checkpoints").glob(".partial*"))
    assert run(longer) == 0
    assert checkpoint_names(tmp_path / "run")[-1] == "0000000024"


@pytest.mark.slow
def test_a_killed_rank_is_named_and_the_same_command_goes_on(tmp_path):
    machine = {"num_ranks": 2, "log_every_images": 4, "save_every_images": 8}
    settings = {"images": 4000, "machine": machine}
    config = an_autoencoder_run(a_release(tmp_path / "corpus"), tmp_path / "run", **settings)
    process = start_python(["-m", "byline.training.run", str(write_toml(tmp_path / "run.toml", config))])
    while not checkpoint_names(tmp_path / "run"):
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(rank_of(process.pid, 1), signal.SIGKILL)
    ((code, error),) = ended([process])
    newest = int(checkpoint_names(tmp_path / "run")[-1])
    assert code == 2
    assert lines_of_ours(error) == [
        f"byline: rank 1 was killed (signal 9); run the same command to go on from {newest} images"
    ]
    assert "Traceback" not in error
    open_checkpoint(tmp_path / "run")


@pytest.mark.slow
def test_torchrun_starts_ranks_again_which_go_on(tmp_path):
    machine = {"log_every_images": 4, "save_every_images": 8}
    settings = {"images": 400, "machine": machine}
    release = a_release(tmp_path / "corpus")
    whole, killed = (
        write_toml(tmp_path / f"{name}.toml", an_autoencoder_run(release, tmp_path / name, **settings))
        for name in ("whole", "killed")
    )
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts", "1"]
    undisturbed = start_python([*torchrun, "-m", "byline.training.run", str(whole)])
    process = start_python([*torchrun, "-m", "byline.training.run", str(killed)])
    while not checkpoint_names(tmp_path / "killed"):
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(rank_of(process.pid, 0), signal.SIGKILL)
    assert [code for code, _ in ended([process, undisturbed])] == [0, 0]
    assert open_checkpoint(tmp_path / "killed")[1] == open_checkpoint(tmp_path / "whole")[1]


@pytest.mark.slow
def test_a_run_is_extended_and_says_what_that_means(tmp_path, capsys):
    release, autoencoder = a_release(tmp_path / "corpus"), an_autoencoder(tmp_path / "vae")
    config = a_diffusion_run(release, tmp_path / "run", autoencoder, images=16)
    path = write_toml(tmp_path / "run.toml", config)
    run(path)
    write_toml(path, config.model_copy(update={"images": 32}))
    assert run(path) == 0
    assert "was to see 16 images and is extended to 32: from image 16 on the learning rate" in capsys.readouterr().out
    _, info = open_checkpoint(tmp_path / "run")
    assert [(part.from_images, part.images) for part in info.segments] == [(0, 16), (16, 32)]
    assert info.config["images"] == 32
    assert [entry.images_seen for entry in read_log(tmp_path / "run" / "log.jsonl")] == list(range(4, 33, 4))


def test_an_extended_run_is_not_shortened(tmp_path):
    config = an_autoencoder_run(a_release(tmp_path / "corpus"), tmp_path / "run", images=16)
    path = write_toml(tmp_path / "run.toml", config)
    run(path)
    write_toml(path, config.model_copy(update={"images": 12}))
    with pytest.raises(CheckpointError, match="images was 16, now 12; undo this"):
        run(path)


@pytest.mark.parametrize(("weights", "suffix"), [("averaged", "_ema"), ("last", "")])
def test_a_run_starts_from_the_weights_of_another(tmp_path, weights, suffix):
    release = a_release(tmp_path / "corpus")
    run(write_toml(tmp_path / "first.toml", an_autoencoder_run(release, tmp_path / "first")))
    folder, first = open_checkpoint(tmp_path / "first")
    start = {"checkpoint": str(tmp_path / "first"), "weights": weights}
    tuned = an_autoencoder_run(
        release,
        tmp_path / "tuned",
        init_from=start,
        images=4,
        optimizer={"learning_rate": 1e-12, "weight_decay": 0},
        machine={"save_every_images": 4},
    )
    run(write_toml(tmp_path / "tuned.toml", tuned))
    found, info = open_checkpoint(tmp_path / "tuned")
    assert info.provenance["init_from"] == first.digest
    assert [one.images_seen for one in info.lineage] == [24, 4]
    before, after = (_weights(place) for place in (folder / f"vae{suffix}", found / "vae"))
    assert all(torch.allclose(before[name], after[name], atol=1e-9) for name in before)


@pytest.mark.slow
def test_what_a_run_started_from_counts_for_what_it_has_seen(tmp_path):
    url = a_release(tmp_path / "corpus", train=8)
    run(write_toml(tmp_path / "first.toml", an_autoencoder_run(url, tmp_path / "first", images=16)))
    start = {"checkpoint": str(tmp_path / "first")}
    tuned = an_autoencoder_run(url, tmp_path / "tuned", init_from=start, images=24, seed=7)
    run(write_toml(tmp_path / "tuned.toml", tuned))
    release = Release(url)
    first, second = (open_checkpoint(tmp_path / name)[1] for name in ("first", "tuned"))
    alone = times_seen(release, second.model_copy(update={"ancestors": ()}))
    assert times_seen(release, second) == {key: alone[key] + 1 for key in times_seen(release, first)}
    assert sum(alone.values()) == 24


@pytest.mark.slow
def test_a_fine_tuned_run_may_have_another_size(tmp_path):
    release, autoencoder = a_release(tmp_path / "corpus"), an_autoencoder(tmp_path / "vae")
    run(write_toml(tmp_path / "small.toml", a_diffusion_run(release, tmp_path / "small", autoencoder, images=8)))
    start = {"checkpoint": str(tmp_path / "small")}
    larger = a_diffusion_run(release, tmp_path / "large", autoencoder, init_from=start, resolution_px=32, images=8)
    path = write_toml(tmp_path / "large.toml", larger)
    assert run(path) == 0
    assert open_checkpoint(tmp_path / "large")[1].lineage[0].config["resolution_px"] == 16
    assert run(path) == 0


@pytest.mark.slow
def test_a_run_in_phases_goes_on_in_the_one_that_it_is_in(tmp_path):
    release, autoencoder = a_release(tmp_path / "corpus"), an_autoencoder(tmp_path / "vae")
    settings = {"optimizer": {"learning_rate": 1e-3, "schedule": "constant"}}
    phases = [{"from_images": 12, "resolution_px": 32}, {"from_images": 20, "learning_rate": 5e-4}]
    whole = a_diffusion_run(release, tmp_path / "whole", autoencoder, phases=phases, **settings)
    assert run(write_toml(tmp_path / "whole.toml", whole)) == 0
    assert [entry.lr for entry in read_log(tmp_path / "whole" / "log.jsonl")] == [1e-3] * 5 + [5e-4]

    first = a_diffusion_run(release, tmp_path / "parts", autoencoder, phases=phases[:1], images=16, **settings)
    path = write_toml(tmp_path / "parts.toml", first)
    assert run(path) == 0
    info = open_checkpoint(tmp_path / "parts")[1]
    assert (info.images_seen, info.resolution_px, info.config["resolution_px"]) == (16, 32, 16)
    write_toml(path, whole.model_copy(update={"run": str(tmp_path / "parts")}))
    assert run(path) == 0
    (folder, undisturbed), (_, extended) = open_checkpoint(tmp_path / "whole"), open_checkpoint(tmp_path / "parts")
    assert extended.files == undisturbed.files
    assert json.loads((folder / "unet" / "config.json").read_text())["sample_size"] == 16


def test_a_phase_that_has_begun_stays(tmp_path):
    settings = {"phases": [{"from_images": 8, "learning_rate": 5e-4}]}
    config = an_autoencoder_run(a_release(tmp_path / "corpus"), tmp_path / "run", **settings)
    path = write_toml(tmp_path / "run.toml", config)
    run(path)
    write_toml(path, config.model_copy(update={"phases": (), "images": 32}))
    with pytest.raises(CheckpointError, match="phases was .*, now "):
        run(path)


def test_another_kind_of_model_is_no_start(tmp_path):
    release, autoencoder = a_release(tmp_path / "corpus"), an_autoencoder(tmp_path / "vae")
    run(write_toml(tmp_path / "first.toml", an_autoencoder_run(release, tmp_path / "first", images=8)))
    start = {"checkpoint": str(tmp_path / "first")}
    config = a_diffusion_run(release, tmp_path / "run", autoencoder, init_from=start)
    with pytest.raises(CheckpointError, match="is of kind 'autoencoder', and this run of kind 'diffusion'"):
        run(write_toml(tmp_path / "run.toml", config))


@pytest.mark.slow
def test_frozen_models_are_saved_as_they_are(tmp_path):
    release, autoencoder = a_release(tmp_path / "corpus"), an_autoencoder(tmp_path / "vae")
    run(write_toml(tmp_path / "run.toml", a_diffusion_run(release, tmp_path / "run", autoencoder, images=8)))
    folder, _ = open_checkpoint(tmp_path / "run")
    name = "diffusion_pytorch_model.safetensors"
    assert file_digest(folder / "vae" / name) == file_digest(Path(autoencoder) / name)


def _weights(folder: Path):
    from safetensors.torch import load_file

    return load_file(folder / "diffusion_pytorch_model.safetensors")
