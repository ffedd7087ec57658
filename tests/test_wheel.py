"""The wheel holds every room under one name, their templates, policies and example configs, and no tests."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.test_architecture import ARROWS

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_the_wheel_has_one_package_with_every_room_and_its_data(tmp_path):
    sources = tmp_path / "sources"  # not the checkout: what an earlier build left there would go into the wheel
    for room in ("byline", "configs", *ARROWS, "tests", "benchmarks", "samples"):
        ignored = shutil.ignore_patterns("__pycache__", "*.png", "*.jpg")
        shutil.copytree(ROOT / room, sources / room, symlinks=True, ignore=ignored)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(sources)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("byline-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    inside = {name.removeprefix("byline/") for name in names if ".dist-info/" not in name}
    assert {name for name in names if ".dist-info/" not in name} == {f"byline/{name}" for name in inside}
    assert {name.split("/")[0] for name in inside} == {*ARROWS, "configs", "__init__.py", "py.typed"}
    templates = {path for room in ARROWS for path in _files(room, "*.j2")}
    configs = {*_files("configs", "*.toml"), *_files("configs", "*.json")}
    assert templates
    assert configs
    assert templates | configs | {"pipelines/stages/fetch.py"} <= inside


def _files(room, pattern):
    return {str(path.relative_to(ROOT)) for path in (ROOT / room).rglob(pattern)}
