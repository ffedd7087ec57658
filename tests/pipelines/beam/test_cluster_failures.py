"""What goes wrong on other machines is told in a line, and the same command goes on."""

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import apache_beam as beam
import grpc
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

import byline
from byline.catalog.errors import BylineError
from byline.pipelines.beam import listening, submitting
from byline.pipelines.beam.build import build
from byline.pipelines.beam.running import made_pipeline
from byline.pipelines.releases.verify import verify
from harness.cluster import a_free_port, a_job_service, a_pool, a_prism, beam_options, networks
from harness.fetch_only import write_corpus
from harness.killed_cluster import killed
from harness.web import a_web
from tests.builders import a_picture, a_server, encoded
from tests.pipelines.beam.clusters import PICTURES, a_web_corpus, command, needs_prism, needs_root, prism_apart
from tests.pipelines.beam.test_workers import STAGES, below, linux, told_by, until

pytestmark = [pytest.mark.beam, pytest.mark.slow, linux]
GOES_ON = "run the same command again, and it goes on from what is kept"


def _python(folder: Path, *, options: str, path: str) -> dict[str, str]:
    """Write a `python` that imports from `path`, and return the environment of a pool that finds it first."""
    folder.mkdir()
    script = folder / "python"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{path}" exec "{sys.executable}" {options} "$@"\n')
    script.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def without_beam(folder):
    return _python(folder / "bin", options="-S", path="")


def without_byline(folder):
    """Make a Python that has all of byline's libraries, and cannot import byline."""
    (folder / "hiding").mkdir()
    (folder / "hiding/sitecustomize.py").write_text("import sys\nsys.modules['byline'] = None\n")
    return _python(folder / "bin", options="", path=str(folder / "hiding"))


def with_other_code(folder):
    rooms = folder / "other/byline"
    rooms.mkdir(parents=True)
    for room in Path(next(iter(byline.__path__))).iterdir():
        (rooms / room.name).symlink_to(room.resolve())
    (rooms / "later.py").write_text("")
    return _python(folder / "bin", options="-P", path=str(folder / "other"))


@pytest.mark.parametrize(
    ("environment_of", "line"),
    [
        (without_beam, r"no worker answered in 20 s; see the log of the pool, whose `python` on PATH must have byline"),
        (
            without_byline,
            r"worker \S+ cannot import byline \(import of byline halted; None in sys.modules\); install it for \S+",
        ),
        (with_other_code, r"worker \S+ has other code of byline \(\w{12}, here \w{12}\); install the same commit"),
    ],
)
def test_a_worker_that_is_unfit_is_told_before_anything_is_done(tmp_path, environment_of, line):
    environment = environment_of(tmp_path)
    config = a_web_corpus(tmp_path / "there", "http://127.0.0.1:9")
    runner, pool = a_free_port(), a_free_port()
    with (
        a_job_service(runner, tmp_path / "runner.log"),
        a_pool(pool, tmp_path / "pool.log", environment=environment),
    ):
        options = beam_options(f"localhost:{runner}", f"localhost:{pool}")
        within_s = 20 if environment_of is without_beam else 200
        done = command("build", config, "--workers-within", within_s, "--", *options)
    assert done.returncode == 2
    assert re.fullmatch(f"byline: {line}.*", done.stderr.strip()), done.stderr
    assert not (tmp_path / "there/corpus/records").exists()


@needs_root
@needs_prism
def test_a_root_that_is_a_folder_of_the_worker_is_told(tmp_path):
    with networks(1, [tmp_path]) as (here, apart), prism_apart(tmp_path, here, apart) as options:
        done = command("build", a_web_corpus(tmp_path / "there", "http://127.0.0.1:9"), "--", *options)
    told = f"byline: workers wrote into {tmp_path}/there/corpus and nothing of it is here"
    assert done.stderr.startswith(told)


def test_a_job_service_that_is_not_there_is_told(tmp_path):
    port = a_free_port()
    options = [*beam_options(f"localhost:{port}", "localhost:9"), "--job_server_timeout=2"]
    done = command("build", a_web_corpus(tmp_path, "http://127.0.0.1:9"), "--", *options)
    (told,) = done.stderr.splitlines()
    assert told.startswith(f"byline: no job service of Beam answers at localhost:{port}; start it")


def test_a_job_service_that_goes_before_it_has_the_job_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(submitting, "ANSWERS_WITHIN_S", 5)
    port = a_free_port()
    options = PipelineOptions(beam_options(f"localhost:{port}", None))
    with a_job_service(port, tmp_path / "service.log"):
        submitting.reach_job_service(options)
    pipeline = made_pipeline(None, options)
    _ = pipeline | beam.Create([1])
    with pytest.raises(grpc.FutureTimeoutError):
        submitting.Submission(pipeline).wait(lambda: None)


@pytest.mark.parametrize("a_runner", [a_job_service, pytest.param(a_prism, marks=needs_prism)])
def test_a_job_may_take_longer_than_the_answer_to_a_request(tmp_path, a_runner):
    runner = a_free_port()
    with a_web(tmp_path, [encoded(a_picture(0))], latency_s=3.0) as web, a_runner(runner, tmp_path / "runner.log"):
        config = write_corpus(tmp_path / "corpus", [web.url(0, 0, number) for number in range(4)], num_packs=1)
        options = [*beam_options(f"localhost:{runner}", None), "--job_server_timeout=5"]
        done = command("build", config, "--workers-within=200", "--", *options)
        answered = max(request.answered_s for request in web.requests())
        assert answered - web.requests()[0].arrived_s > 5
    assert done.returncode == 0, done.stderr


def _is_told(config, stage):
    """Tell whether a worker has told that it is at a stage."""
    return any(stage in path.read_text() for path in config.parent.glob("corpus/judgements/beats/*/*.json"))


@contextmanager
def _slow_web():
    answers = {f"/slow-{number}.jpg": (200, "image/jpeg", encoded(a_picture(number))) for number in range(PICTURES)}
    with a_server(answers) as (base, asked):
        yield f"{base}/slow-{{}}", asked


@needs_prism
def test_a_worker_of_prism_that_is_killed_is_told_and_the_build_goes_on(tmp_path):
    runner, pool = a_free_port(), a_free_port()
    with (
        _slow_web() as (pattern, asked),
        a_prism(runner, tmp_path / "prism.log"),
        a_pool(pool, tmp_path / "pool.log") as workers,
    ):
        options = beam_options(f"localhost:{runner}", f"localhost:{pool}")
        there = a_web_corpus(tmp_path / "there", pattern)
        run = [sys.executable, "-m", "byline.cli.main", "build", str(there), "--", *options]
        building = subprocess.Popen(run, stderr=subprocess.PIPE, text=True)
        until(lambda: len(asked) > 3 and _is_told(there, "fetch"))
        for worker in below(workers.pid):
            os.kill(worker, signal.SIGKILL)
        (told,) = told_by(building)
        assert told.startswith("byline: ")
        assert re.search(r"last heard of: \S+ \(at \w+", told)
        assert told.endswith(GOES_ON)
        assert building.returncode == 2
        asked_before = len(asked)
        release = build(str(there), beam_args=options)
        assert list(verify(release)) == []
        assert len(asked) - asked_before <= PICTURES
        assert build(str(a_web_corpus(tmp_path / "local", pattern)), workers=1).version == release.version


@pytest.mark.parametrize(
    ("sent", "what"), [(signal.SIGKILL, "the runner ended the build"), (signal.SIGSTOP, "a worker is gone")]
)
def test_one_of_two_workers_that_ends_or_falls_silent_is_told(tmp_path, monkeypatch, sent, what):
    monkeypatch.setattr(listening, "SILENT_S", 6.0)
    runner, pool = a_free_port(), a_free_port()
    with (
        _slow_web() as (pattern, asked),
        a_job_service(runner, tmp_path / "runner.log"),
        a_pool(pool, tmp_path / "pool.log") as workers,
    ):
        options = [*beam_options(f"localhost:{runner}", f"localhost:{pool}"), "--direct_num_workers=2"]
        there = a_web_corpus(tmp_path / "there", pattern)

        def kill_one():
            until(lambda: len(asked) > 3 and _is_told(there, "fetch"))
            os.kill(below(workers.pid)[-1], sent)

        Thread(target=kill_one).start()
        with pytest.raises(BylineError, match=rf"{what}.*\(at \w+.*{GOES_ON}"):
            build(str(there), beam_args=options)
        release = build(str(there), beam_args=options)
        assert list(verify(release)) == []
        assert release.manifest.counts["records"] == PICTURES


@needs_prism
@pytest.mark.parametrize("victim", ["pool", "runner", "driver"])
def test_what_is_killed_on_prism_costs_nothing_that_is_kept(tmp_path, victim):
    with _slow_web() as (pattern, asked):
        version = build(str(a_web_corpus(tmp_path / "local", pattern)), workers=1).version
        before = len(asked)
        there = a_web_corpus(tmp_path / "there", pattern)
        found = killed(there, victim, lambda: len(asked) > before + 3, tmp_path)
    assert found.version == version
    told = [line for line in found.lines if not line.startswith(STAGES)]
    if victim == "runner":
        assert found.code == 2
        assert len(told) == 1
        assert "the job service at localhost:" in told[0]
    if victim == "driver":
        assert (found.code, told) == (-signal.SIGKILL, [])
