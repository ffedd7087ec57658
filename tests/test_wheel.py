"""The wheel holds every room under one name, their templates, policies and example configs, and no tests."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.test_architecture import HOUSE

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from a copy: what an earlier build left in the checkout would go into it."""
    folder = tmp_path_factory.mktemp("wheel")
    sources = folder / "sources"
    for room in ("byline", "configs", *HOUSE["TOPS"], "tests", "harness", "benchmarks", "samples"):
        ignored = shutil.ignore_patterns("__pycache__", "*.png", "*.jpg")
        shutil.copytree(ROOT / room, sources / room, symlinks=True, ignore=ignored)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(sources)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("byline-*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_has_one_package_with_every_room_and_its_data(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    inside = {name.removeprefix("byline/") for name in names if ".dist-info/" not in name}
    assert {name for name in names if ".dist-info/" not in name} == {f"byline/{name}" for name in inside}
    assert {name.split("/")[0] for name in inside} == {*HOUSE["TOPS"], "configs", "__init__.py", "py.typed"}
    templates = {path for room in HOUSE["TOPS"] for kind in ("j2", "css", "js") for path in _files(room, f"*.{kind}")}
    configs = {*_files("configs", "*.toml"), *_files("configs", "*.json")}
    assert templates
    assert configs
    assert templates | configs | {"pipelines/beam/stages/fetch.py"} <= inside


@pytest.mark.slow
def test_an_installed_wheel_begins_and_builds_a_corpus_in_a_folder_of_pictures(wheel, tmp_path):
    """Beside the pictures lie folders called as our rooms are, which must not be imported."""
    site, home = tmp_path / "site", tmp_path / "home"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", site, wheel]
    subprocess.run(install, check=True)
    for room in HOUSE["TOPS"]:
        (home / room).mkdir(parents=True)
        (home / room / "__init__.py").write_text("raise SystemExit('not byline')\n")
    pictures = sorted((ROOT / "samples/photographs").glob("*.jpg"))[::40]
    claim = {"license": "CC BY 4.0", "creator": "Ada", "title": "A picture", "source": "https://example.org/ada"}
    (home / "photographs").mkdir()
    for picture in pictures:
        shutil.copy(picture, home / "photographs")
        (home / "photographs" / f"{picture.stem}.json").write_text(json.dumps(claim))
    assert _byline(site, "init", "photographs", cwd=home).returncode == 0
    built = _byline(site, "build", "byline.toml", cwd=home)
    assert built.returncode == 0, built.stderr
    assert f"{len(pictures)} of {len(pictures)} records admitted" in built.stderr


def _byline(site, *arguments, cwd):
    program = Path(sys.executable).with_name("byline")
    environment = {**os.environ, "PYTHONPATH": str(site), "COLUMNS": "200"}
    return subprocess.run([program, *arguments], cwd=cwd, env=environment, capture_output=True, text=True)


def _files(room, pattern):
    return {str(path.relative_to(ROOT)) for path in (ROOT / room).rglob(pattern)}
