"""Corpora whose pictures come over HTTP, for builds on other runners."""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from byline.catalog.corpora.manifest import Release
from harness.cluster import a_free_port, a_job_service, a_pool, a_prism, a_relay, beam_options, prism_path, running
from tests.builders import a_picture, a_yfcc_line, encoded, write_corpus

needs_prism = pytest.mark.skipif(prism_path() is None, reason="Prism is not installed: run scripts/prism where Go is")
needs_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("ip") is None, reason="networks need root and Linux"
)
PICTURES = 24
WITHIN_S = 300


def write_pictures(folder: Path) -> Path:
    """Write pictures for `a_web` to serve."""
    pictures = folder / "web"
    pictures.mkdir()
    for number in range(PICTURES):
        (pictures / f"{number}.jpg").write_bytes(encoded(a_picture(number)))
    return pictures


@contextmanager
def a_web(folder: Path, host: str = "127.0.0.1"):
    """Serve the pictures, and give the URL before their names."""
    port = a_free_port()
    command = [
        sys.executable,
        "-m",
        "http.server",
        str(port),
        "--bind",
        host,
        "--directory",
        str(write_pictures(folder)),
    ]
    with running(command, port, folder / "web.log", host=host):
        yield f"http://{host}:{port}"


def a_web_corpus(folder: Path, base: str, root: str | None = None) -> Path:
    """Write the config of a corpus of the pictures at `base`, which may have a place for their names."""
    pattern = base if "{}" in base else f"{base}/{{}}"
    lines = [a_yfcc_line(str(number), pattern.format(f"{number}.jpg")) for number in range(PICTURES)]
    folder.mkdir(exist_ok=True)
    config = write_corpus(folder, lines, num_packs=4, root=root)
    text = config.read_text().split("[serve]")[0].replace("127.0.0.0/8", "10.0.0.0/8")
    config.write_text(text if "//10." in base else text.replace("10.0.0.0/8", "127.0.0.0/8"))
    return config


def command(*arguments: object) -> subprocess.CompletedProcess:
    """Run byline, and return what came of it."""
    run = [sys.executable, "-m", "byline.cli.main", *map(str, arguments)]
    return subprocess.run(run, capture_output=True, text=True, timeout=600)


def built(config: Path, *options: str) -> Release:
    """Build by the command, and return the release. A busy machine is given time to start its workers."""
    done = command("build", config, f"--workers-within={WITHIN_S}", *options)
    assert done.returncode == 0, done.stderr
    url = done.stdout.strip()
    return Release(url.rpartition("/")[0])


@contextmanager
def prism(folder: Path):
    """Run Prism and a pool of workers on this machine, and give Beam's options for them."""
    runner, pool = a_free_port(), a_free_port()
    with a_prism(runner, folder / "prism.log"), a_pool(pool, folder / "pool.log") as process:
        yield beam_options(f"localhost:{runner}", f"localhost:{pool}"), process


@contextmanager
def prism_apart(folder: Path, _here, apart):
    """Run Prism and a pool in the first network."""
    runner, pool = a_free_port(), a_free_port()
    with (
        a_prism(runner, folder / "prism.log", network=apart[0]),
        a_pool(pool, folder / "pool.log", network=apart[0]),
    ):
        yield beam_options(f"{apart[0].address}:{runner}", f"localhost:{pool}")


@contextmanager
def two_pools(folder: Path, here, apart):
    """Run Beam's job service here, and in each network a pool; workers are started in one after the other."""
    runner, pool, front = a_free_port(), a_free_port(), a_free_port()
    with (
        a_job_service(runner, folder / "service.log", network=here),
        a_pool(pool, folder / "pool-0.log", network=apart[0]),
        a_pool(pool, folder / "pool-1.log", network=apart[1]),
        a_relay(front, [f"{one.address}:{pool}" for one in apart], folder / "relay.log"),
    ):
        yield [*beam_options(f"localhost:{runner}", f"localhost:{front}"), "--direct_num_workers=2"]
