"""A plan says what a build would do, and the build does just that."""

import pytest

from byline.catalog.corpora.facts import FactTable
from byline.pipelines.beam.build import build
from byline.pipelines.corpora.config import load_corpus_config
from byline.pipelines.rights.plans.planning import LATENT_SCHEMA, make_plan
from tests.builders import POLICY, a_picture, a_server, a_yfcc_line, encoded, write_corpus
from tests.pipelines.rights.plans.planned import WIDE, assert_agrees, plan_of

pytestmark = pytest.mark.beam


@pytest.mark.slow
@pytest.mark.parametrize("step", ["same", "narrow", "back"])
def test_the_build_does_what_the_plan_says(story, step):
    plan, done = story[1][step]
    assert plan.is_exact
    assert_agrees(plan, *done)


def test_the_same_policy_changes_nothing(story):
    plan, _ = story[1]["same"]
    assert (plan.added.records, plan.removed.records, plan.shards.written, plan.shards.changed) == (0, 0, 0, ())
    assert plan.shards.kept > 0


def test_what_leaves_and_what_comes_is_grouped(story):
    plan, _ = story[1]["narrow"]
    assert plan.removed.model_dump() == {
        "records": 8,
        "images": 8,
        "by_license": {"CC-BY-SA-4.0": 8},
        "by_source": {"test": 8},
        "by_reason": {"license:CC-BY-SA-4.0": 8},
    }
    assert (plan.added.by_license, plan.added.by_reason) == ({"CC-BY-4.0": 1}, {"duplicate:near": 1})
    assert plan.promoted == 1
    assert sum(who.removed for who in plan.creators) == 8
    assert {(who.creator, who.added) for who in plan.creators if who.added} == {("creator 1", 1)}
    assert (plan.counts_before["admitted"], plan.counts["admitted"]) == (20, 13)


def test_shards_of_an_older_release_are_found_again(story):
    plan, (_, done, _) = story[1]["back"]
    assert done["shards written"] == 0
    assert plan.shards.found > 0
    assert {shard.action for shard in plan.shards.changed} == {"found"}


def test_without_a_release_all_is_new(story, tmp_path):
    config, _ = story
    made, policy = load_corpus_config(str(config))
    other = made.model_copy(update={"name": "other"})
    plan = make_plan(other, policy)
    assert (plan.before, plan.counts_before, plan.removed.records) == (None, {}, 0)
    assert plan.added.records == plan.counts["admitted"] == 20
    assert plan.is_exact
    assert (plan.shards.written, plan.shards.found) == (0, len(plan.shards.changed))
    for path in (config.parent / "corpus/shards").glob("*.json"):
        path.rename(tmp_path / path.name)
    try:
        plan = make_plan(other, policy)
        release, _, _ = story[1]["back"][1]
        assert plan.shards.bytes_to_write == sum(shard.num_bytes for shard in release.manifest.shards)
        assert plan.shards.written == len(release.manifest.shards)
    finally:
        for path in tmp_path.glob("*.json"):
            path.rename(config.parent / "corpus/shards" / path.name)


def test_what_was_never_asked_for_is_to_fetch_and_not_refused(story):
    plan = plan_of(story[0], WIDE)
    assert plan.to_fetch.model_dump() == {"records": 1, "by_license": {"CC-PDM-1.0": 1}, "by_source": {"test": 1}}
    assert plan.counts["waiting"] == 1
    assert not plan.is_exact
    assert not any("not-asked" in reason for reason in plan.reasons)


def test_another_split_moves_samples_and_tells_the_latents_that_lack(story):
    config, _ = story
    text = POLICY.replace("heldout_fraction = 0.2", "heldout_fraction = 0.6")
    assert plan_of(config, text).latents == {}
    store = load_corpus_config(str(config))[0].store
    train = story[1]["back"][1][0].manifest
    shard = next(shard for shard in train.shards if shard.split == "train")
    known = store.read_table(f"shards/{shard.name.removesuffix('.tar')}.parquet", ["sha256"]).to_pylist()[:1]
    facts = FactTable(store=store, measure="latents", instrument="vae", schema=LATENT_SCHEMA)
    facts.append(shard.pack, known)
    plan = plan_of(config, POLICY)
    assert plan.latents == {"vae": train.counts["train"] - 1}
    plan = plan_of(config, text)
    assert plan.moved == {"train -> heldout": plan.counts_before["train"] - plan.counts["train"]}
    assert plan.counts["heldout"] > plan.counts_before["heldout"]
    assert (plan.added.records, plan.removed.records) == (0, 0)


def test_another_captioner_has_all_captions_to_make(story):
    config, _ = story
    made, policy = load_corpus_config(str(config))
    words = type(made.caption).model_validate({**made.caption.model_dump(), **_other_caption(made.caption)})
    plan = make_plan(made.model_copy(update={"caption": words}), policy)
    assert plan.to_caption.records > 20
    assert plan.removed.records == 0
    assert not plan.is_exact


def _other_caption(config):
    """Return a setting of the captioner that renames its instrument."""
    number = next(name for name, value in config.model_dump().items() if isinstance(value, int))
    return {number: getattr(config, number) + 1}


def test_what_may_pass_is_asked_for_again(tmp_path):
    with a_server({"/a": (200, "image/jpeg", encoded(a_picture(1))), "/busy": (503, "text/html", b"")}) as (base, _):
        config = write_corpus(tmp_path, [a_yfcc_line("a", f"{base}/a"), a_yfcc_line("busy", f"{base}/busy")])
        build(str(config), workers=1)
    plan = make_plan(*load_corpus_config(str(config)))
    assert (plan.to_fetch_again, plan.is_exact) == (0, True)  # too soon
    config.write_text(config.read_text().replace("[fetch]", "[fetch]\nask_again_after_s = 0.0"))
    plan = make_plan(*load_corpus_config(str(config)))
    assert (plan.to_fetch_again, plan.is_exact) == (1, False)
