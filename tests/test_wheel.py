"""The wheel holds the rooms and their templates, and no tests."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.test_architecture import ARROWS

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_the_wheel_has_every_room_and_no_tests(tmp_path):
    sources = tmp_path / "sources"  # not the checkout: what an earlier build left there would go into the wheel
    for room in (*ARROWS, "tests", "benchmarks", "samples"):
        shutil.copytree(ROOT / room, sources / room, ignore=shutil.ignore_patterns("__pycache__", "*.png", "*.jpg"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(sources)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("byline-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == set(ARROWS)
    templates = {"cli/report.html.j2", "pipelines/papers/credits.html.j2", "pipelines/takedown/takedown.html.j2"}
    assert templates | {"pipelines/stages/fetch.py"} <= set(names)
