"""Metrics and rules of other distributions, on corpora that were there before them."""

import shutil

import numpy as np
import pytest
from PIL import Image

from byline.catalog.errors import ConfigError, CorpusError, ExtensionError
from byline.pipelines.beam.build import build, last_record
from byline.pipelines.corpora.config import load_corpus_config
from byline.pipelines.facts.measures import metric_facts
from byline.pipelines.releases.verify import verify
from byline.pipelines.rights.plans.planning import make_plan
from tests.builders import a_corpus, tree_digest
from tests.extension_packages import found_anew, install
from tests.pipelines.extending.conftest import ENTRY_POINTS, MODULE
from tests.pipelines.rights.takedown.corpora import latest, take_down

pytestmark = pytest.mark.slow

METRIC = "[metrics.brightness]\n"


def add(path, text):
    with path.open("a") as file:
        file.write(text)


@pytest.fixture
def built(tmp_path, museum):
    """The config of a corpus that was built before anybody thought of a metric."""
    config = a_corpus(tmp_path, num_pictures=8, num_packs=2)
    build(str(config), workers=1)
    return config


def brightness(store, config):
    instruments = dict(load_corpus_config(str(config))[0].instruments.metrics)
    facts = metric_facts(store, "brightness", instruments["brightness"])
    rows = [row for pack in ("test-00000", "test-00001") for row in facts.read(pack).to_pylist()]
    return {row["sha256"]: row["value"] for row in rows}


def verdicts(release):
    packs = ("test-00000", "test-00001")
    tables = [release.store.read_table(f"{release.path}/verdicts/{pack}.parquet") for pack in packs]
    return {row["sha256"]: row["reasons"] for table in tables for row in table.to_pylist()}


@pytest.mark.beam
def test_a_new_metric_is_measured_of_what_was_there_and_its_bounds_hold(built, tmp_path):
    hashes = tree_digest(tmp_path / "corpus/facts/hashes")
    add(built, METRIC)
    add(tmp_path / "policy.toml", "[metrics.brightness]\nmin = 0.5\n")
    assert make_plan(*load_corpus_config(str(built))).to_measure == 8
    release = build(str(built), workers=2)
    numbers, said = brightness(release.store, built), verdicts(release)
    assert last_record(release.store)["done"]["measured"] == 8
    assert {sha256 for sha256, reasons in said.items() if reasons == ["brightness:too-low"]} == {
        sha256 for sha256, number in numbers.items() if number < 0.5
    }
    assert 0 < release.manifest.counts["admitted"] < 8
    image = Image.open(tmp_path / "pictures/0.jpg")  # stored as it is: smaller than what pictures are resized to
    assert any(abs(np.asarray(image.convert("L")).mean() / 255 - number) < 0.01 for number in numbers.values())
    assert tree_digest(tmp_path / "corpus/facts/hashes") == hashes
    assert not list(verify(release))


@pytest.mark.beam
def test_a_metric_from_the_beginning_gives_the_release_of_one_that_came_later(built, tmp_path):
    add(built, METRIC)
    add(tmp_path / "policy.toml", "[metrics.brightness]\nmax = 0.5\n")
    later = build(str(built), workers=1)
    shutil.rmtree(tmp_path / "corpus")
    assert build(str(built), workers=1).path == later.path


@pytest.mark.beam
def test_nothing_is_measured_twice_and_a_changed_metric_is_measured_again(built, site):
    add(built, METRIC)
    store = build(str(built), workers=1).store
    build(str(built), workers=1)
    assert last_record(store)["done"]["measured"] == 0
    built.write_text(built.read_text() + "scale = 2.0\n")
    first = build(str(built), workers=1)
    assert last_record(store)["done"]["measured"] == 8
    install(site, "museum-x", ENTRY_POINTS, MODULE, version="1.1")
    found_anew()
    assert build(str(built), workers=1).path != first.path
    assert last_record(store)["done"]["measured"] == 8


def test_a_rule_on_what_is_not_measured_is_refused_and_not_passed(built, tmp_path):
    for rule in ("[metrics.brightness]\nmin = 0.5\n", "[rules.wordy]\nmax_words = 9\n"):
        policy = tmp_path / "policy.toml"
        before = policy.read_text()
        add(policy, rule)
        with pytest.raises(ConfigError, match=r"needs the metric 'brightness', which .* add \[metrics.brightness\]"):
            build(str(built), workers=1)
        policy.write_text(before)


@pytest.mark.beam
def test_a_rule_refuses_by_words_and_its_version_is_part_of_the_release(built, tmp_path, site):
    add(built, METRIC)
    add(tmp_path / "policy.toml", "[rules.wordy]\nmax_words = 2\n[sources.test.rules.wordy]\nmax_words = 3\n")
    admits = build(str(built), workers=2)
    assert admits.manifest.counts["admitted"] == 8  # titles of three words: those of this source may have three
    assert admits.manifest.instruments["rule wordy"] == "museum-x-1.0"
    lines = (tmp_path / "metadata.tsv").read_text().splitlines()
    (tmp_path / "metadata.tsv").write_text("\n".join([lines[0].replace("blobs+", "many+blobs+"), *lines[1:]]) + "\n")
    assert build(str(built), workers=1).manifest.reasons == {"wordy:too-many": 1}
    install(site, "museum-x", ENTRY_POINTS, MODULE, version="2.0")
    found_anew()
    again = build(str(built), workers=1)
    assert again.manifest.instruments["rule wordy"] == "museum-x-2.0"


@pytest.mark.beam
def test_a_takedown_removes_the_numbers_of_a_picture_and_makes_the_release_again(built, tmp_path):
    add(built, METRIC)
    add(tmp_path / "policy.toml", "[metrics.brightness]\nmin = 0.0\n[rules.wordy]\nmax_words = 3\n")
    release = build(str(built), workers=1)
    gone, *_ = (sha256 for sha256, reasons in verdicts(release).items() if not reasons)
    before = brightness(release.store, built)
    assert gone in before
    take_down(release.store, sha256s=(gone,))
    after = brightness(release.store, built)
    assert gone not in after
    assert after == {sha256: number for sha256, number in before.items() if sha256 != gone}
    assert not list(verify(latest(release.store)))
    assert build(str(built), workers=1).path == latest(release.store).path


@pytest.mark.beam
def test_a_takedown_does_not_begin_without_the_rules_of_a_release(built, tmp_path, site):
    add(built, METRIC)
    add(tmp_path / "policy.toml", "[rules.wordy]\nmax_words = 3\n")
    store = build(str(built), workers=1).store
    install(site, "museum-x", ENTRY_POINTS, MODULE, version="2.0")
    found_anew()
    before = tree_digest(tmp_path / "corpus/facts")
    with pytest.raises(CorpusError, match=r"judged by rule wordy of museum-x-1.0, and museum-x-2.0 is installed"):
        take_down(store, records=("test:1",))
    install(site, "museum-x", "", MODULE)
    found_anew()
    with pytest.raises(ConfigError, match="no rule 'wordy'; known: none"):
        take_down(store, records=("test:1",))
    assert tree_digest(tmp_path / "corpus/facts") == before


@pytest.mark.parametrize(
    ("gives", "said"),
    [
        ("return float('nan')", "gave nan; a finite number or None is needed"),
        ("return 'bright'", "gave 'bright'; a finite number or None is needed"),
        ("return 1 / 0", r"ZeroDivisionError: division by zero \(dim.py line 5\)"),
    ],
)
@pytest.mark.beam
def test_a_metric_that_fails_ends_the_build_with_one_line(built, site, gives, said):
    body = f"class Dim(Metric):\n    def measure(self, image):\n        {gives}\n"
    module = f"from byline.dedup.metrics import Metric\n\n{body}"
    install(site, "dim", "[byline.metrics]\ndim = dim:Dim\n", module)
    found_anew()
    add(built, "[metrics.dim]\n")
    with pytest.raises(ExtensionError, match=rf"metric dim \(dim 1.0\).*{said}"):
        build(str(built), workers=2)


@pytest.mark.beam
@pytest.mark.parametrize(("missing", "admitted"), [("", 0), ('missing = "admit"\n', 8)])
def test_a_picture_of_which_a_metric_says_nothing_is_refused_unless_the_policy_says_otherwise(
    built, site, tmp_path, missing, admitted
):
    module = (
        "from byline.dedup.metrics import Metric\nclass Mute(Metric):\n    def measure(self, image):\n        return\n"
    )
    install(site, "mute", "[byline.metrics]\nmute = mute:Mute\n", module)
    found_anew()
    add(built, "[metrics.mute]\n")
    add(tmp_path / "policy.toml", f"[metrics.mute]\nmin = 0.0\n{missing}")
    if admitted:
        assert build(str(built), workers=1).manifest.counts["admitted"] == admitted
    else:
        with pytest.raises(ValueError, match=r"none admitted; mute:no-value \(8\)"):
            build(str(built), workers=1)
