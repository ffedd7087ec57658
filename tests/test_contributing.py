"""CONTRIBUTING.md as it stands: its packages are installed by pip, and the command line builds a corpus with each."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from byline.catalog.corpora.manifest import Release
from byline.pipelines.beam.build import last_record
from tests.builders import BY_4, a_corpus

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^`([^`\n]+)`:\n\n```\w+\n(.*?)^```$", re.M | re.S)
PACKAGES = ["museum-reader", "loud-captions", "brightness", "no-posters"]

pytestmark = [pytest.mark.beam, pytest.mark.slow]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The folder into which all blocks that name a file are written, and their packages installed as `site`."""
    folder = tmp_path_factory.mktemp("page")
    blocks = BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text())
    assert {name.split("/")[0] for name, _ in blocks if "/" in name} == set(PACKAGES)
    for name, text in blocks:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps", "--no-index"]
    subprocess.run([*command, "--target", "site", *(f"./{name}" for name in PACKAGES)], cwd=folder, check=True)
    return folder


def build(page, config):
    """Run `byline build`, and return the release."""
    paths = [str(page / "site"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, "-m", "byline.cli.main", "build", str(config)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return Release(done.stdout.strip().splitlines()[-1])


def captions(release):
    tables = [
        release.store.read_table(f"shards/{one.name.removesuffix('.tar')}.parquet") for one in release.manifest.shards
    ]
    return {caption for table in tables for caption in table["caption"].to_pylist()}


@pytest.mark.parametrize("name", PACKAGES)
def test_an_extension_is_two_files_and_edits_none_of_bylines(page, name):
    written = {path.name for path in (page / name).iterdir() if path.is_file()}
    assert written == {"pyproject.toml", f"{name.replace('-', '_')}.py"}


def test_the_source(page, tmp_path):
    config = a_corpus(tmp_path, num_pictures=3, num_packs=1)
    url = "https://pictures.example"
    rows = [{"id": str(n), "image": f"{url}/{n}.jpg", "rights": BY_4, "name": "a vase", "maker": "Ada"} for n in (0, 1)]
    lines = [*map(json.dumps, rows), '{"id": "2"}', "no JSON"]
    (tmp_path / "museum.jsonl").write_text("\n".join(lines) + "\n")
    text = config.read_text().replace('reader = "yfcc"', 'reader = "museum"').replace("metadata.tsv", "museum.jsonl")
    config.write_text(text)
    release = build(page, config)
    assert last_record(release.store)["outcomes"]["test"] == {"fetched": 2, "unreadable": 2}
    assert captions(release) == {"a vase"}


def test_the_captioner(page, tmp_path):
    config = a_corpus(tmp_path, num_pictures=2, num_packs=1)
    said = config.read_text().replace('[caption]\ncaptioner = "source-text"\n', (page / "loud.toml").read_text())
    config.write_text(said)
    assert captions(build(page, config)) == {"BLOBS NUMBER 0!", "BLOBS NUMBER 1!"}


def test_the_metric_of_a_corpus_that_was_there_before(page, tmp_path):
    config, policy = a_corpus(tmp_path, num_pictures=3, num_packs=1), tmp_path / "policy.toml"
    build(page, config)
    config.write_text(config.read_text() + (page / "measured.toml").read_text())
    general, bounds = policy.read_text(), (page / "bounds.toml").read_text()
    policy.write_text(general + bounds)
    release = build(page, config)
    assert release.manifest.counts["admitted"] == 3
    assert last_record(release.store)["done"]["measured"] == 3
    (instrument,) = release.store.folders("facts/metric-brightness")
    facts = release.store.read_table(f"facts/metric-brightness/{instrument}/test-00000.000.parquet")
    least = min(facts["value"].to_pylist())
    policy.write_text(general + bounds.replace("min = 0.2", f"min = {least + 1e-9}"))
    assert build(page, config).manifest.reasons == {"brightness:too-low": 1}


def test_the_rule(page, tmp_path):
    config, policy = a_corpus(tmp_path, num_pictures=3, num_packs=1), tmp_path / "policy.toml"
    policy.write_text(policy.read_text() + (page / "rules.toml").read_text())
    metadata = tmp_path / "metadata.tsv"
    metadata.write_text(metadata.read_text().replace("blobs+number+1", "A+Placard"))
    release = build(page, config)
    assert release.manifest.reasons == {"posters:in-title": 1}
    assert release.manifest.instruments["rule posters"] == "no-posters-1.0"
    tools = json.loads(release.store.read_bytes(f"{release.path}/tools.json"))
    assert "no-posters" in {tool["name"] for tool in tools}
