"""A corpus whose config names its places from its own folder: the same from any folder, and in any folder."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from byline.cli.main import app
from byline.pipelines.beam.build import build
from byline.pipelines.corpora.config import load_corpus_config
from tests.builders import a_corpus


def _relative(config):
    """Make every path of a config count from its folder."""
    config.write_text(config.read_text().replace(f'"{config.parent}/', '"'))
    assert str(config.parent) not in config.read_text()
    return config


@pytest.mark.slow
@pytest.mark.beam
def test_a_release_is_the_same_in_any_folder_and_from_any_folder(tmp_path, monkeypatch):
    versions = set()
    for name in ("one", "two"):
        folder = tmp_path / name
        config = _relative(a_corpus(folder, num_pictures=3, num_packs=1))
        monkeypatch.chdir({"one": folder, "two": "/"}[name])
        release = build("corpus.toml" if name == "one" else str(config), workers=1)
        assert Path(release.store.root) == folder / "corpus"
        versions.add(release.version)
        told = [path for path in Path(release.store.root, release.path).rglob("*") if path.is_file()]
        assert told
        assert not [path for path in told if str(tmp_path).encode() in path.read_bytes()]
    assert len(versions) == 1


@pytest.mark.slow
@pytest.mark.beam
def test_later_verbs_find_what_the_last_build_named_from_another_folder(tmp_path, monkeypatch):
    config = _relative(a_corpus(tmp_path / "made", num_pictures=3, num_packs=1))
    monkeypatch.chdir(tmp_path / "made")
    corpus = Path(build("corpus.toml", workers=1).store.root)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    planned = CliRunner().invoke(app, ["plan", "../made/corpus.toml", "--policy", "commercial", "--json"])
    assert planned.exit_code == 0, planned.output
    assert json.loads(planned.stdout)["sources"] == {"test": "as ingested"}
    looked = CliRunner().invoke(app, ["recheck", str(corpus / "releases/small"), "--older-than", "0"])
    assert looked.exit_code == 0, looked.output
    assert "looked at by 3 requests (unchanged 3)" in " ".join(looked.output.split())
    url = "https://pictures.example/1.jpg"
    taken = CliRunner().invoke(app, ["takedown", "apply", "--url", url, "--yes", "--corpus", str(corpus)])
    assert taken.exit_code == 0, taken.output
    checked = CliRunner().invoke(app, ["takedown", "check", "--corpus", str(corpus)])
    assert checked.exit_code == 0, checked.output
    assert build(str(config), workers=1).manifest.counts["records"] == 2


def test_weights_that_are_not_where_the_config_says_are_told(tmp_path):
    config = a_corpus(tmp_path, num_pictures=1)
    config.write_text(config.read_text() + '[weights]\nautoencoder = "./vae"\n')
    with pytest.raises(ValueError, match=f"weights.autoencoder: no folder at {tmp_path}/vae"):
        load_corpus_config(str(config))
