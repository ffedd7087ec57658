"""The file through which processes share what they know of hosts: whose it is, and of which boot."""

import os
import tempfile

import pytest

from byline.catalog.errors import StorageError
from byline.pipelines.fetching.transport.host_table import HEADER_BYTES, seconds_since_boot, shared_table
from byline.pipelines.fetching.transport.hosts import Hosts
from tests.pipelines.fetching.transport.some_hosts import HOST, let_pass, run, some_hosts


def test_times_of_another_boot_bind_nobody(tmp_path):
    some_hosts(tmp_path).hold_off(HOST, 3000)
    code = "import sys; from pathlib import Path; from byline.pipelines.fetching.transport.hosts import Hosts\n"
    code += f"print(Hosts(per_host=1, rate_per_s=None, folder=Path(sys.argv[1])).wait_s({HOST!r}))"
    later = tmp_path / "later"
    later.mkdir(mode=0o700)
    saved = bytearray((tmp_path / "hosts").read_bytes())
    (later / "hosts").write_bytes(saved)
    with run(code, later) as process:
        assert float(process.stdout.read()) > 2000
    saved[: HEADER_BYTES // 2] = bytes(HEADER_BYTES // 2)
    (later / "hosts").write_bytes(saved)
    with run(code, later) as process:
        assert float(process.stdout.read()) == 0


def test_a_time_too_far_ahead_binds_nobody(tmp_path):
    hosts = some_hosts(tmp_path)
    hosts.hold_off(HOST, 10)
    let_pass(hosts, HOST, -1e8)
    assert hosts.wait_s(HOST) == 0
    assert seconds_since_boot() > 0


def test_the_default_folder_is_of_this_user_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    Hosts(per_host=1, rate_per_s=None)
    folder = tmp_path / f"byline-hosts-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "hosts").stat().st_mode & 0o777 == 0o600


def a_file(path):
    path.write_text("")


def an_open_folder(path):
    path.mkdir()
    path.chmod(0o777)


def a_link(path):
    (path.parent / "elsewhere").mkdir()
    path.symlink_to(path.parent / "elsewhere")


def a_folder_with_a_linked_table(path):
    path.mkdir(mode=0o700)
    (path.parent / "victim").write_text("precious")
    (path / "hosts").symlink_to(path.parent / "victim")


@pytest.mark.parametrize("trap", [a_file, an_open_folder, a_link, a_folder_with_a_linked_table])
def test_a_folder_that_is_not_safe_is_one_clear_error(tmp_path, trap):
    trap(tmp_path / "meet")
    with pytest.raises(StorageError, match="cannot be shared through .*meet: .*; set TMPDIR to a folder"):
        some_hosts(tmp_path / "meet")


def test_one_table_is_open_for_each_file(tmp_path):
    assert shared_table(tmp_path) is shared_table(tmp_path / "." / "")
