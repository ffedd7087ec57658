"""Servers that are killed -9 in the middle of a build: the web server of a source, and those that byline starts."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from byline.catalog.corpora.manifest import Release
from byline.catalog.corpora.packs import read_attempts
from byline.catalog.disk.storage import Store
from tests.builders import a_picture, a_yfcc_line, encoded, tree_digest, write_corpus
from tests.pipelines.beam.test_workers import PATIENCE_S, below, is_gone, linux, told_by, until

pytestmark = [pytest.mark.beam, pytest.mark.slow]

NUM_PICTURES, NUM_WHOLE = 12, 4
WEB = """
import http.server, os, sys, time

class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.translate_path(self.path)
        if not os.path.exists(path):
            return self.send_error(404)
        body = open(path, "rb").read()
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        number = int(os.path.basename(path).partition(".")[0])
        if number % 2:
            self.send_header("Content-Length", str(len(body)))
        else:
            self.close_connection = True  # which ends the body
            self.send_header("Connection", "close")
        self.end_headers()
        if number < int(sys.argv[2]):
            return self.wfile.write(body)
        self.wfile.write(body[: len(body) // 2])
        open(path + ".half", "w").close()
        time.sleep(600)

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""
"""Serves the current folder; of pictures from a number on it sends the first half, and then nothing. Of half of them it
does not say how long they are."""


@contextmanager
def a_web_server(folder, *, port=0, num_whole=NUM_PICTURES):
    """Give a server that is a process of its own, and its port."""
    for half in folder.glob("*.half"):
        half.unlink()
    command = [sys.executable, "-c", WEB, str(port), str(num_whole)]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def command(config, *more):
    return [sys.executable, "-m", "byline.cli.main", "build", str(config), *more]


def a_corpus(folder, port):
    lines = [a_yfcc_line(f"{n}", f"http://127.0.0.1:{port}/{n}.jpg") for n in range(NUM_PICTURES)]
    folder.mkdir()
    return write_corpus(folder, lines, num_packs=3)


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    """Return a folder of pictures, and the port of its server, which is down."""
    folder = tmp_path_factory.mktemp("web")
    for number in range(NUM_PICTURES):
        (folder / f"{number}.jpg").write_bytes(encoded(a_picture(number)))
    with a_web_server(folder) as (_, port):
        return folder, port


@pytest.fixture(scope="module")
def calm(web, tmp_path_factory):
    """Return the release of a build that nobody disturbed."""
    folder, port = web
    with a_web_server(folder, port=port):
        config = a_corpus(tmp_path_factory.mktemp("calm") / "c", port)
        done = subprocess.run(command(config), capture_output=True, text=True, check=True)
    return Release(done.stdout.strip())


def digest_of(release):
    return tree_digest(release.store.local_path(release.path))


def test_a_web_server_that_is_killed_in_mid_answer_settles_nothing(web, calm, tmp_path):
    folder, port = web
    config = a_corpus(tmp_path / "c", port)
    with a_web_server(folder, port=port, num_whole=NUM_WHOLE) as (server, _):
        process = subprocess.Popen(command(config), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until(lambda: {int(half.name[:-9]) % 2 for half in folder.glob("*.half")} == {0, 1})
        server.kill()
        _, said = process.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in said
    rows = [
        row
        for pack in range(3)
        for row in read_attempts(Store(str(tmp_path / "c/corpus")), f"test-{pack:05d}").to_pylist()
    ]
    assert {row["outcome"] for row in rows} <= {"fetched", "unreachable"}
    assert {row["url"].rpartition("/")[2] for row in rows} == {f"{number}.jpg" for number in range(NUM_PICTURES)}
    with a_web_server(folder, port=port):
        again = subprocess.run(command(config, "--ask-again", "unreachable"), capture_output=True, text=True)
    assert digest_of(Release(again.stdout.strip())) == digest_of(calm)


@linux
@pytest.mark.parametrize("which", [0, 1], ids=["the server of workers", "a worker"])
def test_a_build_whose_worker_is_killed_goes_on_to_the_same_bytes(which, web, calm, tmp_path):
    folder, port = web
    config = a_corpus(tmp_path / "c", port)
    with a_web_server(folder, port=port, num_whole=NUM_WHOLE):
        process = subprocess.Popen(command(config), stderr=subprocess.PIPE, text=True)
        until(lambda: any(folder.glob("*.half")))
        started = below(process.pid)
        os.kill(started[which], signal.SIGKILL)
        assert len(told_by(process)) == 1
        assert process.returncode == 2
        until(lambda: all(map(is_gone, started)))
    with a_web_server(folder, port=port):
        again = subprocess.run(command(config), capture_output=True, text=True)
    assert digest_of(Release(again.stdout.strip())) == digest_of(calm)


@linux
def test_a_server_of_workers_that_is_killed_before_there_is_one_ends_the_build_with_one_line(web, calm, tmp_path):
    folder, port = web
    config = a_corpus(tmp_path / "c", port)
    with a_web_server(folder, port=port):
        process = subprocess.Popen(command(config), stderr=subprocess.PIPE, text=True)
        until(lambda: below(process.pid))
        os.kill(below(process.pid)[0], signal.SIGKILL)
        told = told_by(process)
        assert len(told) == 1
        assert process.returncode == 2
        again = subprocess.run(command(config), capture_output=True, text=True)
    assert digest_of(Release(again.stdout.strip())) == digest_of(calm)
