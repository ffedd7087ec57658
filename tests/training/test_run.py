"""Whole runs of tiny models, in this process and in processes that are killed."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from byline.catalog.corpora.builds import read_encoding_speed
from byline.catalog.corpora.corpus import write_settings
from byline.catalog.corpora.manifest import Release
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CheckpointError, ConfigError, CorpusError
from byline.diffusion.checkpoint import checkpoint_names, file_digest, open_checkpoint
from byline.training.log import read_log
from byline.training.run import run
from byline.training.samples import times_seen
from harness.killed_training import kill_and_compare
from harness.run_configs import write_toml
from tests.training.builders import a_diffusion_run, a_release, an_autoencoder, an_autoencoder_run
from tests.training.processes import rank_of

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def one_thread():
    """Other processes of a busy machine make small networks on several threads slow."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def digests_of(run_folder: Path) -> dict[str, str]:
    folder, info = open_checkpoint(run_folder)
    return {**info.files, "byline.json": file_digest(folder / "byline.json")}


def losses_of(run_folder: Path) -> list[tuple[int, float]]:
    return [(entry.images_seen, entry.loss) for entry in read_log(run_folder / "log.jsonl")]


def start(config: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "byline.training.run", str(config)]
    return subprocess.Popen(command, cwd=REPOSITORY, env=environment, stderr=subprocess.PIPE, text=True)


def test_an_autoencoder_run_saves_what_diffusers_loads(tmp_path):
    config = an_autoencoder_run(a_release(tmp_path / "corpus"), tmp_path / "run")
    assert run(write_toml(tmp_path / "run.toml", config)) == 0
    folder, info = open_checkpoint(tmp_path / "run")
    assert (info.kind, info.images_seen) == ("autoencoder", 24)
    assert AutoencoderKL.from_pretrained(folder / "vae_ema", use_safetensors=True).config.scaling_factor > 0


@pytest.mark.slow
def test_a_diffusion_run_saves_what_diffusers_loads(tmp_path):
    release, autoencoder = a_release(tmp_path / "corpus"), an_autoencoder(tmp_path / "vae")
    store = Store(str(tmp_path / "corpus"))
    write_settings(store, {})
    config = a_diffusion_run(release, tmp_path / "run", autoencoder)
    run(write_toml(tmp_path / "run.toml", config))
    (instrument,) = store.folders(layout.facts_of("latents"))
    speed = read_encoding_speed(store, instrument)
    assert (speed.pictures, speed.device) == (12, "cpu")
    assert speed.processor_ms > 0
    folder, info = open_checkpoint(tmp_path / "run")
    assert UNet2DConditionModel.from_pretrained(folder / "unet", use_safetensors=True).config.sample_size == 8
    assert set(info.provenance) == {"autoencoder", "text_encoder"}
    assert checkpoint_names(tmp_path / "run") == ["0000000016", "0000000024"]
    assert not [path for path in folder.rglob("*") if path.suffix in {".bin", ".pt", ".pth", ".pkl"}]


def test_what_starts_the_ranks_loads_no_torch():
    program = "import sys, byline.training.run; print({'torch', 'diffusers', 'transformers'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert told.stdout == "set()\n"


@pytest.mark.slow
def test_two_runs_of_one_config_are_equal_to_the_bit(tmp_path):
    release, autoencoder = a_release(tmp_path / "corpus"), an_autoencoder(tmp_path / "vae")
    for name in ("one", "two"):
        run(write_toml(tmp_path / f"{name}.toml", a_diffusion_run(release, tmp_path / name, autoencoder)))
    assert digests_of(tmp_path / "one") == digests_of(tmp_path / "two")


def test_a_finished_run_is_left_alone(tmp_path, capsys):
    config = an_autoencoder_run(a_release(tmp_path / "corpus"), tmp_path / "run")
    path = write_toml(tmp_path / "run.toml", config)
    run(path)
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "run").rglob("*") if file.is_file()}
    assert run(path) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert {file: file.stat().st_mtime_ns for file in before} == before


@pytest.mark.slow
@pytest.mark.parametrize("deepspeed", ["cpu", "zero2"])
def test_a_run_goes_on_from_any_checkpoint_to_the_same_bits(tmp_path, deepspeed):
    machine = {"deepspeed": deepspeed}
    config = an_autoencoder_run(a_release(tmp_path / "corpus"), tmp_path / "run", machine=machine)
    path = write_toml(tmp_path / "run.toml", config)
    run(path)
    whole, losses = digests_of(tmp_path / "run"), losses_of(tmp_path / "run")
    newest, _ = open_checkpoint(tmp_path / "run")
    shutil.rmtree(newest)
    run(path)
    assert digests_of(tmp_path / "run") == whole
    assert losses_of(tmp_path / "run") == losses


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bits(tmp_path):
    release, autoencoder = a_release(tmp_path / "corpus"), an_autoencoder(tmp_path / "vae")
    settings = {"images": 320, "machine": {"log_every_images": 4, "save_every_images": 16}}
    whole, killed = (
        write_toml(tmp_path / f"{name}.toml", a_diffusion_run(release, tmp_path / name, autoencoder, **settings))
        for name in ("whole", "killed")
    )
    told = kill_and_compare(whole, killed, num_kills=5)
    assert told.kills == 5
    assert told.checkpoints_equal
    assert told.losses_equal
    assert not told.left_over


@pytest.mark.slow
@pytest.mark.parametrize("deepspeed", ["cpu", "zero2"])
def test_two_ranks_do_what_one_does(tmp_path, deepspeed):
    release = a_release(tmp_path / "corpus")
    run(write_toml(tmp_path / "one.toml", an_autoencoder_run(release, tmp_path / "one")))
    machine = {"num_ranks": 2, "deepspeed": deepspeed}
    both = an_autoencoder_run(release, tmp_path / "two", machine=machine)
    process = start(write_toml(tmp_path / "two.toml", both))
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    for (seen_by_one, loss_of_one), (seen_by_two, loss_of_two) in zip(
        losses_of(tmp_path / "one"), losses_of(tmp_path / "two"), strict=True
    ):
        assert seen_by_one == seen_by_two
        assert loss_of_one == pytest.approx(loss_of_two, rel=1e-4)


@pytest.mark.slow
def test_ranks_die_with_their_parent(tmp_path):
    settings = {"images": 400_000, "machine": {"num_ranks": 2}}
    config = an_autoencoder_run(a_release(tmp_path / "corpus"), tmp_path / "run", **settings)
    path = write_toml(tmp_path / "run.toml", config)
    process = start(path)
    while len(read_log(tmp_path / "run" / "log.jsonl")) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    ranks = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 5
    while any(is_alive(pid) for pid in ranks) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(ranks) >= 2
    assert not any(is_alive(pid) for pid in ranks)


def is_alive(pid: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def test_a_missing_release_is_one_line(tmp_path):
    config = an_autoencoder_run(f"{tmp_path}/releases/none", tmp_path / "run")
    with pytest.raises(CorpusError, match="no release none in .*; make one with: byline build"):
        run(write_toml(tmp_path / "run.toml", config))


def test_a_changed_config_is_refused_by_its_keys(tmp_path):
    release = a_release(tmp_path / "corpus")
    path = write_toml(tmp_path / "run.toml", an_autoencoder_run(release, tmp_path / "run"))
    run(path)
    changed = an_autoencoder_run(release, tmp_path / "run", seed=7, optimizer={"learning_rate": 2e-3})
    with pytest.raises(CheckpointError, match=r"optimizer.learning_rate was 0.001, now 0.002; seed was 0, now 7; undo"):
        run(write_toml(path, changed))


def test_what_cannot_change_the_weights_may_change(tmp_path):
    release = a_release(tmp_path / "corpus")
    path = write_toml(tmp_path / "run.toml", an_autoencoder_run(release, tmp_path / "run"))
    run(path)
    changed = an_autoencoder_run(release, tmp_path / "run", machine={"keep_checkpoints": 9})
    assert run(write_toml(path, changed)) == 0


def test_another_release_is_refused(tmp_path):
    path = tmp_path / "run.toml"
    run(write_toml(path, an_autoencoder_run(a_release(tmp_path / "a"), tmp_path / "run")))
    other = an_autoencoder_run(a_release(tmp_path / "b", train=7), tmp_path / "run")
    with pytest.raises(CheckpointError, match="release was .*, now .*"):
        run(write_toml(path, other))


def test_a_truncated_checkpoint_is_refused(tmp_path):
    path = write_toml(tmp_path / "run.toml", an_autoencoder_run(a_release(tmp_path / "corpus"), tmp_path / "run"))
    run(path)
    folder, _ = open_checkpoint(tmp_path / "run")
    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"vae/diffusion_pytorch_model.safetensors is not what"):
        run(path)


def test_a_checkpoint_with_a_file_too_many_is_refused(tmp_path):
    config = an_autoencoder_run(a_release(tmp_path), tmp_path / "run")
    run(write_toml(tmp_path / "run.toml", config))
    folder, _ = open_checkpoint(tmp_path / "run")
    (folder / "vae" / "diffusion_pytorch_model.safetensors.index.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"index.json is no part of the checkpoint"):
        open_checkpoint(tmp_path / "run")


def test_a_checkpoint_with_a_pickle_is_refused(tmp_path):
    path = write_toml(tmp_path / "run.toml", an_autoencoder_run(a_release(tmp_path / "corpus"), tmp_path / "run"))
    run(path)
    folder, _ = open_checkpoint(tmp_path / "run")
    (folder / "vae" / "model.pt").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"model.pt is no part of the checkpoint, and could be loaded"):
        run(path)


@pytest.mark.slow
def test_an_autoencoder_with_other_channels_is_refused_on_resume(tmp_path):
    release, path = a_release(tmp_path / "corpus"), tmp_path / "run.toml"
    run(write_toml(path, a_diffusion_run(release, tmp_path / "run", an_autoencoder(tmp_path / "vae"))))
    newest, _ = open_checkpoint(tmp_path / "run")
    shutil.rmtree(newest)
    other = an_autoencoder(tmp_path / "other", latent_channels=8)
    with pytest.raises(CheckpointError, match=r"autoencoder was \w{12}\.\.\., now"):
        run(write_toml(path, a_diffusion_run(release, tmp_path / "run", other)))


def test_a_size_that_the_autoencoder_cannot_halve_is_refused(tmp_path):
    release, autoencoder = a_release(tmp_path / "corpus"), an_autoencoder(tmp_path / "vae")
    config = a_diffusion_run(release, tmp_path / "run", autoencoder, resolution_px=17)
    with pytest.raises(ConfigError, match="resolution_px = 17 must be a multiple of 2"):
        run(write_toml(tmp_path / "run.toml", config))


def test_a_run_is_trained_by_one_process_at_a_time(tmp_path):
    config = an_autoencoder_run(a_release(tmp_path / "corpus"), tmp_path / "run")
    (tmp_path / "run").mkdir()
    with (tmp_path / "run" / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(CheckpointError, match="is being trained by another process"):
            run(write_toml(tmp_path / "run.toml", config))


@pytest.mark.slow
def test_two_ranks_on_pictures_of_several_shapes_are_killed_and_go_on_to_the_same_bits(tmp_path):
    release = a_release(tmp_path / "corpus", train=13, sizes=((40, 40), (60, 40), (40, 70), (90, 30)))
    autoencoder = an_autoencoder(tmp_path / "vae")
    settings = {
        "images": 240,
        "batch_size": 8,
        "streams": 4,
        "shuffle_samples": 5,
        "buckets": {"step_px": 4},
        "machine": {"num_ranks": 2, "deepspeed": "zero2", "log_every_images": 8, "save_every_images": 8},
    }
    whole, killed = (
        write_toml(tmp_path / f"{name}.toml", a_diffusion_run(release, tmp_path / name, autoencoder, **settings))
        for name in ("whole", "killed")
    )
    assert run(whole) == 0
    process = start(killed)
    while not checkpoint_names(tmp_path / "killed"):
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(rank_of(process.pid, 1), signal.SIGKILL)
    _, error = process.communicate()
    assert "byline: rank 1 was killed (signal 9); run the same command to go on from" in error
    assert run(killed) == 0
    assert digests_of(tmp_path / "killed") == digests_of(tmp_path / "whole")
    assert losses_of(tmp_path / "killed") == losses_of(tmp_path / "whole")
    _, info = open_checkpoint(tmp_path / "whole")
    assert set(times_seen(Release(release), info).values()) == {240 // 26, 240 // 26 + 1}
