"""Runs whose checkpoints lie in a bucket: nodes that share no folder go on from there."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest
import torch

from byline.catalog.disk.storage import Store
from byline.catalog.errors import CheckpointError
from byline.diffusion.checkpoint import checkpoint_names, open_checkpoint
from byline.training.log import read_log
from byline.training.places import working_folder
from byline.training.run import run
from harness.run_configs import write_toml
from tests.training.builders import a_release, an_autoencoder_run
from tests.training.processes import ended, free_port, lines_of_ours, start_python


@pytest.fixture(autouse=True)
def one_thread():
    """Other processes of a busy machine make small networks on several threads slow."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
def test_a_run_in_a_bucket_goes_on_elsewhere_to_the_same_bits(tmp_path, bucket, monkeypatch):
    release = a_release(tmp_path / "corpus")
    run(write_toml(tmp_path / "whole.toml", an_autoencoder_run(release, tmp_path / "whole")))
    config = an_autoencoder_run(release, Path("unused")).model_copy(update={"run": f"{bucket}/run"})
    path = write_toml(tmp_path / "run.toml", config)
    run(path)
    assert checkpoint_names(f"{bucket}/run") == ["0000000016", "0000000024"]
    store = Store(f"{bucket}/run")
    for name in open_checkpoint(f"{bucket}/run")[1].files:
        store.remove(f"checkpoints/0000000024/{name}")
    store.remove("checkpoints/0000000024/byline.json")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another machine"))
    run(path)
    assert open_checkpoint(f"{bucket}/run")[1] == open_checkpoint(tmp_path / "whole")[1]
    logs = [working_folder(f"{bucket}/run") / "log.jsonl", tmp_path / "whole" / "log.jsonl"]
    here, whole = ([(one.images_seen, one.loss) for one in read_log(log)] for log in logs)
    assert here == whole


def test_a_checkpoint_of_a_bucket_is_fetched_once_and_checked(tmp_path, bucket):
    config = an_autoencoder_run(a_release(tmp_path / "corpus"), tmp_path / "run", images=8)
    run(write_toml(tmp_path / "run.toml", config))
    store, local = Store(f"{bucket}/copy"), tmp_path / "run"
    for path in (local / "checkpoints").rglob("*"):
        if path.is_file():
            store.upload(path, path.relative_to(local).as_posix())
    folder, info = open_checkpoint(f"{bucket}/copy")
    assert not (folder / "optimizer.safetensors").exists()
    assert open_checkpoint(f"{bucket}/copy", for_resuming=True) == (folder, info)
    assert (folder / "optimizer.safetensors").exists()
    store.write_bytes("checkpoints/0000000008/vae/config.json", b"{}")
    assert open_checkpoint(f"{bucket}/copy") == (folder, info)
    shutil.rmtree(folder)
    with pytest.raises(CheckpointError, match=r"vae/config.json is not what byline.json says; no older one is whole"):
        open_checkpoint(f"{bucket}/copy")


@pytest.mark.slow
def test_whoever_begins_later_takes_a_run_in_a_bucket_over(tmp_path, bucket):
    """Two machines, that is two caches, train one run; the first would never end."""
    machine = {"log_every_images": 8, "save_every_images": 8}
    config = an_autoencoder_run(a_release(tmp_path / "corpus"), Path("unused"), images=800_000, machine=machine)
    path = write_toml(tmp_path / "run.toml", config.model_copy(update={"run": f"{bucket}/run"}))
    arguments = ["-m", "byline.training.run", str(path)]
    first, second = None, None
    try:
        first = start_python(arguments, XDG_CACHE_HOME=str(tmp_path / "first"))
        _wait_for_more_than("0000000000", f"{bucket}/run", first)
        second = start_python(arguments, XDG_CACHE_HOME=str(tmp_path / "second"))
        ((code, error),) = ended([first])
        (line,) = lines_of_ours(error)
        assert (code, "was begun by another process since" in line) == (2, True)
        _wait_for_more_than(checkpoint_names(f"{bucket}/run")[-1], f"{bucket}/run", second)
    finally:
        for process in (first, second):
            if process is not None:
                process.kill()


def _wait_for_more_than(name: str, run: str, process: subprocess.Popen[str]) -> None:
    while max(checkpoint_names(run), default="") <= name:
        assert process.poll() is None
        time.sleep(0.2)


@pytest.mark.slow
def test_two_nodes_without_a_shared_disk_train_in_a_bucket(tmp_path, bucket):
    """Two agents of torchrun on this machine, each with a release, a config and a cache of its own."""
    nodes = []
    for node in ("one", "two"):
        release = a_release(tmp_path / node / "corpus")
        config = an_autoencoder_run(release, Path("unused"), images=16).model_copy(update={"run": f"{bucket}/run"})
        nodes.append(write_toml(tmp_path / node / "run.toml", config))
    for images in (16, 24):
        assert _trained(nodes, images, tmp_path) == [0, 0]
        assert checkpoint_names(f"{bucket}/run")[-1] == f"{images:010d}"


def _trained(nodes: list[Path], images: int, folder: Path) -> list[int]:
    for path in nodes:
        path.write_text(path.read_text().replace("images = 16", f"images = {images}"))
    port = free_port()
    arguments = ["-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d"]
    arguments += ["--rdzv-endpoint", f"127.0.0.1:{port}", "--rdzv-id", "test", "--local-addr", "127.0.0.1"]
    told = ended(
        [
            start_python(
                [*arguments, "-m", "byline.training.run", str(path)], XDG_CACHE_HOME=str(folder / f"cache {number}")
            )
            for number, path in enumerate(nodes)
        ]
    )
    assert [lines_of_ours(error) for _, error in told] == [[], []], told
    return [code for code, _ in told]
