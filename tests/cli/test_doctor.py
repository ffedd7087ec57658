"""`byline doctor`, on this machine, beside packages that are really broken, and with a real S3 endpoint."""

import os
import re
import subprocess
import sys
import time

import boto3
import pytest
from moto.server import ThreadedMotoServer

from byline.doctor.machine import clock_line, disk_line
from tests.builders import a_corpus


def _doctor(*arguments, folder, path=(), **environment):
    known = os.pathsep.join([*map(str, path), *sys.path])
    return subprocess.run(
        [sys.executable, "-m", "byline.cli.main", "doctor", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": known, **environment},
        check=False,
    )


def _lines(done):
    """Return what is told of each thing, with the state before it."""
    told, about = {}, None
    for line in done.stdout.splitlines():
        assert len(line) <= 80 or max(map(len, line.split())) > 40  # a path stays whole
        if line.startswith(" "):
            told[about] += " " + line.strip()
        elif line[:6].strip() in ("ok", "-", "mend"):
            about, _, first = line[6:].partition("  ")
            told[about] = f"{line[:6].strip()}: {first.strip()}"
    return told


def _distribution(folder, name, *, entry_points="", metadata=None):
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(metadata or f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)
    return folder


def test_a_sound_machine_is_told_line_by_line(tmp_path):
    done = _doctor(folder=tmp_path)
    told = _lines(done)
    assert done.returncode == 0, done.stdout + done.stderr
    assert told["python"] == "ok: " + sys.version.split()[0]
    assert {"byline", "libraries", "[s3]", "cores", "gpu", "clock", "disk"} <= told.keys()
    assert "s3fs" in told["[s3]"]
    assert str(tmp_path) in told["disk"]


def test_nothing_large_is_loaded(tmp_path):
    code = (
        "import sys; sys.argv[1:] = ['doctor']\n"
        "try:\n    from byline.cli.main import main; main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'apache_beam', 'pyarrow', 'numba') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


def test_a_broken_library_and_a_broken_extension_are_lines(tmp_path):
    packages = tmp_path / "packages"
    _distribution(packages, "s3fs", metadata="Metadata-Version: 2.1\nName: s3fs\nVersion: 2001.1\n")
    (packages / "breaks.py").write_text("raise RuntimeError('of the\\nextension')")
    _distribution(packages, "adds", entry_points="[byline.sources]\nmuseum = breaks:read\n")
    done = _doctor(folder=tmp_path, path=[packages])
    told = _lines(done)
    assert done.returncode == 1
    assert done.stderr == ""
    assert told["[s3]"].startswith("mend: s3fs 2001.1 is not >=2024.6")
    assert "pip install 'byline[s3]'" in told["[s3]"]
    assert told["sources museum"].startswith("mend: of adds 1.0: ")
    assert "of the extension" in told["sources museum"]


def test_a_sound_extension_is_told(tmp_path):
    packages = _distribution(tmp_path / "packages", "adds", entry_points="[byline.sources]\nmuseum = json:loads\n")
    done = _doctor(folder=tmp_path, path=[packages])
    assert done.returncode == 0, done.stdout
    assert _lines(done)["sources museum"] == "ok: of adds 1.0"


def test_a_corpus_that_can_be_built_has_nothing_to_mend_and_nothing_is_left(tmp_path):
    config = a_corpus(tmp_path, num_pictures=2)
    before = sorted(tmp_path.rglob("*"))
    done = _doctor(config, folder="/")
    told = _lines(done)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {told[about].split(":")[0] for about in ("config", "store", "source test", "policy", "disk")} == {"ok"}
    assert sorted(tmp_path.rglob("*")) == before


def test_what_a_corpus_lacks_is_told_all_at_once(tmp_path):
    config = a_corpus(tmp_path, num_pictures=2)
    (tmp_path / "metadata.tsv").unlink()
    (tmp_path / "policy.toml").write_text("[license]\nfamilies = 3\n")
    done = _doctor(config, folder=tmp_path)
    told = _lines(done)
    assert done.returncode == 1
    assert "2 to mend" in done.stdout
    assert told["source test"].startswith("mend: no source file at")
    assert told["policy"].startswith("mend:")
    assert "license.families" in told["policy"]


def test_a_config_that_cannot_be_read_is_a_line(tmp_path):
    done = _doctor("none.toml", folder=tmp_path)
    assert done.returncode == 1
    assert _lines(done)["config"].startswith("mend: no config file at none.toml")
    assert done.stderr == ""


@pytest.mark.slow
def test_a_store_that_cannot_be_reached_is_a_line(tmp_path):
    config = a_corpus(tmp_path, num_pictures=2, root="s3://bucket/corpus")
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    started = time.monotonic()
    done = _doctor(config, folder=tmp_path, **nowhere)
    assert done.returncode == 1
    assert time.monotonic() - started < 60
    told = _lines(done)
    assert told["store"].startswith("mend:")
    assert told["store clock"].startswith("mend:")
    assert done.stderr == ""


@pytest.mark.slow
def test_a_store_of_s3_is_written_to_and_its_clock_compared(tmp_path):
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        url = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
        keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
        client = boto3.client("s3", endpoint_url=url, aws_access_key_id="a", aws_secret_access_key="b")
        client.create_bucket(Bucket="doctor")
        config = a_corpus(tmp_path, num_pictures=2, root="s3://doctor/corpus")
        done = _doctor(config, folder=tmp_path, AWS_ENDPOINT_URL=url, **keys)
        told = _lines(done)
        assert done.returncode == 0, done.stdout + done.stderr
        assert told["store"] == "ok: s3://doctor/corpus can be read and written to"
        assert re.fullmatch(rf"ok: this machine is \d s (ahead of|behind) {url}", told["store clock"])
        assert client.list_objects_v2(Bucket="doctor")["KeyCount"] == 0
    finally:
        server.stop()


def test_a_clock_before_the_program_was_written_is_wrong():
    assert clock_line().state == "ok"
    assert clock_line(now_s=86_400.0).state == "mend"
    assert "1970-01-02" in clock_line(now_s=86_400.0).message


def test_the_disk_is_that_of_the_folder_that_will_be_made(tmp_path):
    assert str(tmp_path) in disk_line(tmp_path / "not/there").message
