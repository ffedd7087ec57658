"""The report on memorization of releases that were really built, changed and taken down from."""

import json
import shutil

import pytest
from PIL import Image

from byline.catalog.disk.storage import Store
from byline.pipelines.beam.build import build
from tests.builders import POLICY, a_picture, a_yfcc_line, encoded, write_corpus
from tests.pipelines.rights.takedown.corpora import HOST, PHOTO, latest, take_down

pytestmark = pytest.mark.beam
APART = POLICY.replace("radius_bits = 12", "radius_bits = 0")
CAPPED = POLICY + "[caps]\nmax_per_creator = 2\n"


def _write(folder):
    """Write a photo (1), it smaller (2) and its bytes (3), picture 5 twice (5, 6) and three others; titles recur."""
    with Image.open(PHOTO) as photo:
        pictures = {
            "1": PHOTO.read_bytes(),
            "2": encoded(photo.resize((150, 112)), quality=60),
            "3": PHOTO.read_bytes(),
        }
    pictures |= {name: encoded(a_picture(seed)) for name, seed in (("5", 5), ("6", 5), ("7", 7), ("8", 8), ("9", 9))}
    titles = {"1": "a+dragonfly", "2": "a+dragonfly", "7": "a+dragonfly", "8": "one+of+two", "9": "one+of+two"}
    creators = {"8": "Grace+H.", "9": "Grace+H."}
    said = {
        name: {"title": titles.get(name, f"blobs+{name}"), "unickname": creators.get(name, "Ada+L.")}
        for name in pictures
    }
    config = write_corpus(
        folder, [a_yfcc_line(name, f"{HOST}/{name}.jpg", **said[name]) for name in pictures], num_packs=3
    )
    for name, data in pictures.items():
        (folder / f"pictures/{name}.jpg").write_bytes(data)
    return str(config)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return the folder of a corpus and its releases by policy."""
    folder = tmp_path_factory.mktemp("memorization")
    config, releases = _write(folder), {}
    for name, policy in (("plain", POLICY), ("apart", APART), ("capped", CAPPED)):
        (folder / "policy.toml").write_text(policy)
        releases[name] = build(config, workers=1)
    return folder, releases


def _risk(release):
    return json.loads(release.store.read_bytes(f"{release.path}/memorization-risk.json"))


def _filled(bins):
    return {name: count for name, count in bins.items() if count}


@pytest.mark.slow
def test_copies_that_were_taken_out_are_counted_by_cluster(built):
    found = _risk(built[1]["plain"])["copies_taken_out"]
    assert (found["num_records"], found["num_distinct"], found["num_clusters"], found["most"]) == (8, 5, 2, 3)
    assert _filled(found["records"]) == {"1": 3, "2": 2, "3-4": 3}
    assert found["reasons"] == {"duplicate:near": 1, "duplicate:same-bytes": 2}


def test_the_largest_clusters_are_named(built):
    largest, other = _risk(built[1]["plain"])["copies_taken_out"]["largest"]
    assert largest["keeper_record_id"] == "test:1"
    assert largest["record_ids"] == ["test:3", "test:2"]
    assert (other["num_pictures"], other["num_same_bytes"], other["farthest_bits"]) == (2, 1, 0)


def test_copies_that_are_left_are_counted_by_picture(built):
    none_left, left = (_risk(built[1][name])["copies_left"] for name in ("plain", "apart"))
    assert _filled(none_left["pictures"]) == {"0": 5}
    assert _filled(left["pictures"]) == {"0": 4, "1": 2}
    assert (left["radius_bits"], left["most"]) == (31, 1)


def test_shared_captions_are_named_with_the_near_pictures_among_them(built):
    found = _risk(built[1]["apart"])["captions"]
    assert [(one["caption"], one["num_samples"], one["num_near"]) for one in found["most_shared"]] == [
        ("a dragonfly", 3, 2),
        ("one of two", 2, 0),
    ]
    assert (found["num_samples"], found["num_shared"], found["num_shared_near"]) == (6, 5, 2)


def test_captions_of_training_samples_are_counted_apart(built):
    release = built[1]["apart"]
    assert _risk(release)["captions_of_train"]["num_samples"] == release.manifest.counts["train"]


def test_creators_are_named_as_credited(built):
    found = _risk(built[1]["apart"])["creators"]
    assert found["largest"] == [{"creator": "Ada L.", "num_samples": 4}, {"creator": "Grace H.", "num_samples": 2}]
    assert (found["cap"], found["num_over_cap"], found["num_refused"]) == (None, 0, 0)


def test_creators_over_the_cap_are_counted_as_the_cap_does(built):
    release = built[1]["capped"]
    found = _risk(release)["creators"]
    assert (found["cap"], found["num_over_cap"], found["num_refused"]) == (
        2,
        1,
        release.manifest.reasons["cap:creator"],
    )
    assert found["top"]["1"] == 2


def test_what_a_cap_took_out_is_among_the_records_that_were_compared(built):
    found = [_risk(built[1][name])["copies_taken_out"] for name in ("plain", "capped")]
    assert found[0] == found[1]


def test_what_was_taken_down_is_not_in_the_report(built, tmp_path):
    shutil.copytree(built[0] / "corpus", tmp_path / "corpus")
    store = Store(str(tmp_path / "corpus"))
    take_down(store, creators=("Grace H.",), records=("test:2",))
    papers = [path.read_text() for path in store.local_path("releases").rglob("memorization-risk.*")]
    assert papers
    assert not [words for words in ("Grace", "one of two", "test:2") for paper in papers if words in paper]
    assert _risk(latest(store))["creators"]["num_samples"] == latest(store).manifest.counts["admitted"]
