"""What is compiled is kept where it can be, and works where it cannot."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULE = """
from byline.catalog.compiling import compiled

@compiled(nogil=True)
def twice(number):
    return 2 * number
"""


def _twice_21(folder):
    """Compile in a process of its own, whose user's cache is below `folder`; return what it prints."""
    (folder / "module.py").write_text(MODULE)
    environment = {**os.environ, "HOME": str(folder), "PYTHONPATH": f"{folder}:{ROOT}"}
    for name in ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR"):
        environment.pop(name, None)
    command = [sys.executable, "-c", "from module import twice; print(twice(21))"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_a_function_is_kept_beside_its_file(tmp_path):
    assert _twice_21(tmp_path) == "42\n"
    assert list((tmp_path / "__pycache__").glob("module.twice*.nbi"))


@pytest.mark.slow
def test_a_function_is_compiled_where_nothing_can_be_kept(tmp_path):
    """Files stand where the folders would be, so that root cannot make them either."""
    for name in ("__pycache__", ".cache"):
        (tmp_path / name).touch()
    assert _twice_21(tmp_path) == "42\n"
