"""The samples are captioned with the captioner of this repository, by the code that runs one of 2.7 billion weights."""

import json
import tomllib
from pathlib import Path

import pytest
import tomli_w

from byline.captioning import CaptionRequest
from byline.pipelines.beam.build import build, last_record
from byline.pipelines.corpora.config import load_corpus_config
from byline.pipelines.releases.verify import verify

pytestmark = [pytest.mark.beam, pytest.mark.slow]
ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "configs/corpora/captioned.toml"
NUM_PICTURES = 24


def a_part_of_the_samples(folder: Path) -> Path:
    """Write captioned.toml as it is, but of a few drawings and in another folder."""
    answer = json.loads((ROOT / "samples/sources/openverse.json").read_text(encoding="utf-8"))[1]
    answer["results"] = answer["results"][:NUM_PICTURES]
    (folder / "openverse.json").write_text(json.dumps([answer]), encoding="utf-8")
    config = tomllib.loads(CONFIG.read_text(encoding="utf-8"))
    config["root"] = str(folder / "corpus")
    config["sources"] = [
        {**source, "path": str(folder / "openverse.json"), "num_packs": 1}
        for source in config["sources"]
        if source["name"] == "openverse"
    ]
    config["caption"]["model"] = str((CONFIG.parent / config["caption"]["model"]).resolve())
    config["serve"] = {url: str((CONFIG.parent / path).resolve()) for url, path in config["serve"].items()}
    written = folder / "captioned.toml"
    written.write_text(tomli_w.dumps(config), encoding="utf-8")
    return written


def test_the_samples_are_captioned_by_the_model_with_their_titles_beside(tmp_path):
    config = a_part_of_the_samples(tmp_path)
    release = build(str(config), workers=1)
    assert list(verify(release)) == []
    shipped = [
        (json.loads(sample["json"]), sample["txt"].decode(), sample["jpg"])
        for shard in release.manifest.shards
        for sample in release.samples(shard)
    ]
    assert len(shipped) > NUM_PICTURES / 2
    instruments = load_corpus_config(str(config))[0].instruments
    assert instruments.captions.startswith("blip2")
    for facts, text, _ in shipped:
        assert facts["captions"][0] == facts["caption"] == text != ""
        assert facts["captioners"][0] == instruments.captions
        assert facts["title"] in facts["captions"]
    assert len({text for _, text, _ in shipped}) > 1
    done = last_record(release.store)["done"]
    again = build(str(config), workers=1)
    assert done["captioned"] > 0
    assert (again.version, last_record(again.store)["done"]["captioned"]) == (release.version, 0)


def test_the_captions_are_those_of_the_model_asked_by_itself(tmp_path):
    config, _ = load_corpus_config(str(a_part_of_the_samples(tmp_path)))
    drawings = sorted((ROOT / "samples/drawings").glob("*.png"))[::400]
    requests = [CaptionRequest(sha256=path.stem, image=path.read_bytes()) for path in drawings]
    captions = config.captioner.caption(requests)
    assert all(captions)
    assert captions == [config.captioner.caption([request])[0] for request in requests]
