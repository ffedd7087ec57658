"""The commands of docs/cluster.md run as they stand, but for ports and the config."""

import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from byline.catalog.corpora.manifest import Release
from harness.cluster import a_free_port, prism_path, until_open
from tests.pipelines.beam.clusters import a_web, a_web_corpus, needs_prism

pytestmark = [pytest.mark.beam, pytest.mark.slow, needs_prism]
PAGE = (Path(__file__).parents[3] / "docs/cluster.md").read_text().partition("## Not tried by us")[0]
BLOCKS = [block.splitlines() for block in re.findall(r"```sh\n(.*?)```", PAGE, re.S)]


def _end(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_the_commands_of_the_page_build_the_release_of_a_local_build(tmp_path):
    (here,), (prism, pool), (by_prism,), (service, by_service), (plan,) = BLOCKS
    with a_web(tmp_path) as base:
        local = {"corpus.toml": str(a_web_corpus(tmp_path / "local", base))}
        version = _version(subprocess.run(_put(here, local), shell=True, capture_output=True, text=True))
        told = subprocess.run(_put(plan, local), shell=True, capture_output=True, text=True)
        assert "On 8 workers: 20,000,000 records like these" in told.stdout, told.stderr
        for name, runner, building in (("prism", prism, by_prism), ("service", service, by_service)):
            ports = {"8073": str(a_free_port()), "50000": str(a_free_port())}
            names = {
                "corpus.toml": str(a_web_corpus(tmp_path / name, base)),
                "$PWD/.venv/bin": str(Path(sys.executable).parent),
            }
            places = {**ports, **names}
            with ExitStack() as stack:
                for line, port in ((runner, ports["8073"]), (pool, ports["50000"])):
                    log = tmp_path / f"{name}-{port}.log"
                    start = _put(line.rstrip("& "), places)
                    server = subprocess.Popen(start, shell=True, stderr=log.open("w"), start_new_session=True)
                    stack.callback(_end, server)
                    until_open("127.0.0.1", int(port), server, log)
                done = subprocess.run(_put(building, places), shell=True, capture_output=True, text=True)
            assert _version(done) == version


def _version(done):
    """Return the version of the release that a command built."""
    assert done.returncode == 0, done.stderr
    return Release(done.stdout.strip().rpartition("/")[0]).version


def _put(line, places):
    for before, after in places.items():
        line = line.replace(before, after)
    found = {"byline": f"{sys.executable} -m byline.cli.main", "python": sys.executable, "prism": prism_path()}
    first, _, rest = line.partition(" ")
    return f"{found.get(first, first)} {rest}"
