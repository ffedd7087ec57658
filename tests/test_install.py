"""What `scripts/install` says where nothing can be installed: one line with what to do, exit code 2."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.apis import the_apis
from tests.certificates import a_certificate

ROOT = Path(__file__).parent.parent


def _install(folder, **environment):
    """Run the real script in a folder with what it installs from."""
    for name in ("setup.cfg", "pyproject.toml", "constraints.txt", "README.md"):
        shutil.copy(ROOT / name, folder)
    chosen = {"PYTHON": sys.executable, "VENV": ".venv", "EXTRAS": "text", "PIP_NO_CACHE_DIR": "1", **environment}
    command = ["sh", str(ROOT / "scripts/install")]
    return subprocess.run(command, cwd=folder, env={**os.environ, **chosen}, capture_output=True, text=True)


def _last_line(done):
    assert done.returncode == 2
    return done.stderr.splitlines()[-1]


def _python(folder, version):
    """Return a program that answers as a Python of another version does: what is asked is run by the real one."""
    program = folder / "python"
    change = f"import sys; sys.version_info = {version!r}; exec(sys.argv.pop(1))"
    program.write_text(
        f'#!/bin/sh\n[ "$1" = -V ] && echo Python {".".join(map(str, version))} && exit\n'
        f'[ "$1" = -c ] && shift\nexec {sys.executable} -c "{change}" "$@"\n'
    )
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize("version", [(3, 10, 13), (3, 15, 0)])
def test_a_python_that_cannot_work_is_named(tmp_path, version):
    line = _last_line(_install(tmp_path, PYTHON=_python(tmp_path, version)))
    assert line.startswith(f"byline: byline needs Python 3.11 to 3.14 and {tmp_path}/python is Python 3.{version[1]}.")
    assert not (tmp_path / ".venv").exists()


def test_no_python_is_told(tmp_path):
    assert "/no/python is missing; name one: make PYTHON=" in _last_line(_install(tmp_path, PYTHON="/no/python"))


def test_an_old_pip_is_told(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / ".venv"], check=True)
    pip = tmp_path / ".venv/lib" / f"python3.{sys.version_info.minor}" / "site-packages/pip"
    pip.mkdir()
    (pip / "__init__.py").write_text("__version__ = '20.3.4'\n")
    (tmp_path / ".venv/bin/pip").touch(0o755)
    assert _last_line(_install(tmp_path)).endswith(".venv is older than 21.3 or broken: rm -rf .venv and run it again")


@pytest.mark.slow
def test_an_index_that_is_not_reached_is_told(tmp_path):
    done = _install(tmp_path, PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="1", PIP_FIND_LINKS="")
    assert "no package index is reached: check the network" in _last_line(done)


@pytest.mark.slow
def test_an_index_whose_certificate_is_not_trusted_is_told(tmp_path):
    with the_apis(certificate=a_certificate(tmp_path, begins=2020, ends=2040)) as server:
        index = f"https://127.0.0.1:{server.server_port}/simple"
        done = _install(tmp_path, PIP_INDEX_URL=index, PIP_RETRIES="0", PIP_FIND_LINKS="")
    assert "name the file of its authority in PIP_CERT" in _last_line(done)


@pytest.mark.slow
def test_an_index_without_a_package_is_told(tmp_path):
    (tmp_path / "simple" / "setuptools").mkdir(parents=True)  # an index with nothing in it
    done = _install(tmp_path, PIP_INDEX_URL=(tmp_path / "simple").as_uri(), PIP_FIND_LINKS="")
    assert "the package index has no setuptools" in _last_line(done)


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    tmp_path.chmod(0o755)
    for name in ("setup.cfg", "pyproject.toml", "constraints.txt", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    tmp_path.chmod(0o555)
    plain = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    environment = {**os.environ, "PYTHON": "/usr/bin/python3", "VENV": ".venv", "EXTRAS": "text"}
    script = (ROOT / "scripts/install").read_text()  # read here: a plain user may not reach the checkout
    command = [*plain, "sh", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    tmp_path.chmod(0o755)
    assert "cannot make a virtual environment" in _last_line(done)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk is mounted by root")
def test_a_disk_that_is_full_is_told(tmp_path):
    """pip unpacks to the temporary folder first; both lie on a disk of 30 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    code = (
        f"mount -t tmpfs -o size=30m tmpfs {disk} && cp setup.cfg pyproject.toml constraints.txt README.md {disk} && "
        f"cd {disk} && mkdir tmp && TMPDIR={disk}/tmp PYTHON={sys.executable} VENV=.venv EXTRAS=text "
        f"sh {ROOT}/scripts/install"
    )
    done = subprocess.run(["unshare", "--mount", "sh", "-c", code], cwd=ROOT, capture_output=True, text=True)
    if "mount" in done.stderr:
        pytest.skip(f"no disk can be mounted here: {done.stderr:.200}")
    assert "is full: 8 GB are needed" in _last_line(done)
