"""Copies that only views and vectors find, in whole builds of real photographs."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageOps

from byline.catalog.corpora.corpus import read_settings
from byline.catalog.errors import ConfigError
from byline.pipelines.beam.build import build, last_record
from byline.pipelines.corpora.config import load_corpus_config
from byline.pipelines.facts.measures import pdq_facts
from byline.pipelines.releases.verify import verify
from byline.pipelines.rights.plans.planning import make_plan
from byline.pipelines.rights.takedown.selecting import Request, select
from tests.builders import POLICY

pytestmark = pytest.mark.beam
SAMPLES = Path("samples").resolve()


def photographs():
    """Photographs of different things."""
    return [Image.open(path).convert("RGB") for path in sorted((SAMPLES / "photographs").glob("lomiri-*-by-*.jpg"))]


def cropped(picture: Image.Image) -> Image.Image:
    """Cut a fifth of the area away, evenly around."""
    width, height = (round(side * 0.8**0.5) for side in picture.size)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


def a_folder_corpus(folder: Path, pictures: dict[str, Image.Image], policy: str, tables: str = "") -> Path:
    """Write pictures, what is said of them, a policy and a config into a folder; return the config's path."""
    (folder / "pictures").mkdir(parents=True)
    for name, picture in pictures.items():
        picture.save(folder / "pictures" / f"{name}.jpg", quality=92)
        said = {
            "license": "CC BY 4.0",
            "creator": f"maker of {name}",
            "title": f"picture {name}",
            "landing_url": "https://a.example/",
        }
        (folder / "pictures" / f"{name}.json").write_text(json.dumps(said))
    (folder / "policy.toml").write_text(policy)
    (folder / "corpus.toml").write_text(
        f'name = "copies"\nroot = "{folder}/corpus"\npolicy = "{folder}/policy.toml"\n{tables}\n'
        '[caption]\ncaptioner = "source-text"\n[[sources]]\nname = "own"\nreader = "folder"\n'
        f'path = "{folder}/pictures"\nnum_packs = 2\n'
    )
    return folder / "corpus.toml"


def copies_in(release):
    """Return, of each copy, its keeper, its view and whether a cosine found it, by name."""
    rows = pq.read_table(release.store.local_path(f"{release.path}/clusters.parquet")).to_pylist()
    name = lambda record_id: record_id.removeprefix("own:").removesuffix(".jpg")  # noqa: E731
    return {
        name(row["record_id"]): (name(row["keeper_record_id"]), row["view"], row["cosine"] is not None) for row in rows
    }


@pytest.mark.slow
def test_turned_and_framed_photographs_are_copies_if_the_policy_looks_at_them_so(tmp_path):
    strangers = photographs()
    pictures = {f"a{number}": picture for number, picture in enumerate(strangers)}
    pictures["mirrored"] = ImageOps.mirror(strangers[0])
    pictures["turned"] = strangers[1].transpose(Image.Transpose.ROTATE_90)
    pictures["framed"] = ImageOps.expand(strangers[2], border=16, fill="black")
    pictures["framed-and-mirrored"] = ImageOps.expand(ImageOps.mirror(strangers[3]), border=16, fill="white")
    views = POLICY.replace("radius_bits = 12", 'radius_bits = 12\nviews = ["turned", "trimmed"]\nkeeper_order = []')
    config = a_folder_corpus(tmp_path, pictures, views)
    release = build(str(config), workers=1)
    assert {frozenset((copy, keeper)): view for copy, (keeper, view, _) in copies_in(release).items()} == {
        frozenset(("a0", "mirrored")): "turned",
        frozenset(("a1", "turned")): "turned",
        frozenset(("a2", "framed")): "trimmed",
        frozenset(("a3", "framed-and-mirrored")): "trimmed and turned",
    }
    assert list(verify(release)) == []
    (tmp_path / "policy.toml").write_text(POLICY.replace("radius_bits = 12", "radius_bits = 12\nviews = []"))
    assert copies_in(build(str(config), workers=1)) == {}


@pytest.mark.slow
def test_a_crop_is_a_copy_to_a_policy_that_asks_for_vectors(tmp_path):
    strangers = photographs()
    pictures = {f"a{number}": picture for number, picture in enumerate(strangers)}
    pictures |= {f"crop{number}": cropped(strangers[number]) for number in range(4)}
    embedding = f'[embedding]\nmodel = "{SAMPLES}/models/copy-detector"\n'
    config = a_folder_corpus(tmp_path, pictures, POLICY, embedding)
    assert copies_in(build(str(config), workers=1)) == {}
    asking = POLICY.replace("radius_bits = 12", 'radius_bits = 12\nmin_cosine = 0.7\nkeeper_order = ["pixels"]')
    (tmp_path / "policy.toml").write_text(asking)
    release = build(str(config), workers=1)
    assert copies_in(release) == {f"crop{number}": (f"a{number}", None, True) for number in range(4)}
    assert release.manifest.instruments["embedding"].startswith("copy-detector-1-")
    assert list(verify(release)) == []
    selection = select(release.store, Request(records=("own:a0.jpg",)), read_settings(release.store)["pixels"])
    assert {one.record_id: one.reason.partition(" 0")[0] for one in selection.victims} == {
        "own:a0.jpg": "asked for",
        "own:crop0.jpg": "near: cosine",
    }


def test_a_takedown_finds_the_crop_whichever_of_two_with_equal_pixels_it_is_asked_for(tmp_path):
    whole = photographs()[0]
    embedding = f'[embedding]\nmodel = "{SAMPLES}/models/copy-detector"\n'
    asking = POLICY.replace("radius_bits = 12", "radius_bits = 12\nmin_cosine = 0.7")
    pictures = {"one": whole, "two": whole, "crop": cropped(whole)}
    config = a_folder_corpus(tmp_path, pictures, asking, embedding)
    whole.save(tmp_path / "pictures/two.jpg", quality=92, comment=b"other bytes")
    store = build(str(config), workers=1).store
    for asked in ("own:one.jpg", "own:two.jpg"):
        selection = select(store, Request(records=(asked,)), read_settings(store)["pixels"])
        reasons = {one.record_id: one.reason.partition(" 0")[0] for one in selection.victims}
        (other,) = {"own:one.jpg", "own:two.jpg"} - {asked}
        assert reasons == {asked: "asked for", other: "equal pixels", "own:crop.jpg": "near: cosine"}


@pytest.mark.slow
def test_pictures_that_came_while_a_corpus_had_no_embedding_are_compared_too(tmp_path):
    strangers = photographs()[:4]
    embedding = f'[embedding]\nmodel = "{SAMPLES}/models/copy-detector"\n'
    asking = POLICY.replace("radius_bits = 12", 'radius_bits = 12\nmin_cosine = 0.7\nkeeper_order = ["pixels"]')
    pictures = {f"a{number}": picture for number, picture in enumerate(strangers)}
    build(str(a_folder_corpus(tmp_path, pictures, asking, embedding)), workers=1)
    shutil.rmtree(tmp_path / "pictures")
    pictures["crop"] = cropped(strangers[0])
    assert copies_in(build(str(a_folder_corpus(tmp_path, pictures, POLICY)), workers=1)) == {}
    shutil.rmtree(tmp_path / "pictures")
    config = str(a_folder_corpus(tmp_path, pictures, asking, embedding))
    assert make_plan(*load_corpus_config(config)).to_measure == 1
    assert copies_in(build(config, workers=1)) == {"crop": ("a0", None, True)}


@pytest.mark.slow
def test_a_measure_that_is_asked_for_later_is_made_of_all_pictures(tmp_path):
    pictures = {f"a{number}": picture for number, picture in enumerate(photographs()[:2])}
    config = a_folder_corpus(tmp_path, pictures, POLICY)
    first = build(str(config), workers=1)
    config.write_text("pdq = true\n" + config.read_text())
    assert make_plan(*load_corpus_config(str(config))).to_measure == 2
    second = build(str(config), workers=1)
    assert sum(len(pdq_facts(second.store).read(f"own-{number:05d}")) for number in range(2)) == 2
    assert second.version == first.version
    build(str(config), workers=1)
    assert last_record(second.store)["done"]["measured"] == 0


def _without(monkeypatch, library):
    monkeypatch.setattr(
        "byline.catalog.configs.extras.find_spec", lambda name: None if name == library else find_spec(name)
    )


def test_a_library_that_is_lacking_is_told_before_anything_is_fetched(tmp_path, monkeypatch):
    _without(monkeypatch, "faiss")
    embedding = f'[embedding]\nmodel = "{SAMPLES}/models/copy-detector"\n'
    policy = POLICY.replace("radius_bits = 12", "radius_bits = 12\nmin_cosine = 0.7")
    config = a_folder_corpus(tmp_path, {}, policy, embedding)
    with pytest.raises(ConfigError, match="needs faiss, which is not installed"):
        build(str(config), workers=1)
    assert not (tmp_path / "corpus").exists()


def test_vectors_are_compared_only_for_a_policy_that_asks_for_it(tmp_path, monkeypatch):
    _without(monkeypatch, "faiss")
    embedding = f'[embedding]\nmodel = "{SAMPLES}/models/copy-detector"\n'
    pictures = {f"a{number}": picture for number, picture in enumerate(photographs()[:2])}
    release = build(str(a_folder_corpus(tmp_path, pictures, POLICY, embedding)), workers=1)
    assert release.store.folders("facts/similar") == []
    assert release.store.folders("facts/embeddings")
