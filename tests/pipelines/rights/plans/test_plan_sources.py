"""Plans where the sources changed, or where files of a corpus are not as they were."""

import os

import pyarrow.compute as pc
import pytest

from byline.catalog.corpora.parts import write_records
from byline.catalog.errors import CorpusError
from byline.pipelines.corpora.config import load_corpus_config
from byline.pipelines.rights.plans.planning import make_plan
from tests.builders import POLICY
from tests.pipelines.rights.plans.planned import NARROW, WIDE, a_line, forget_rows, newest_of, plan_of, state_of

pytestmark = pytest.mark.beam


def test_a_source_that_the_release_does_not_have_is_named(story):
    config, _ = story
    made, policy = load_corpus_config(str(config))
    more = made.sources[0].model_copy(update={"name": "more"})
    plan = make_plan(made.model_copy(update={"sources": (*made.sources, more)}), policy)
    assert plan.sources == {"more": "never ingested", "test": "as ingested"}
    assert not plan.is_exact


def test_a_source_that_is_left_out_takes_its_pictures_along(story):
    config, _ = story
    made, policy = load_corpus_config(str(config))
    more = made.sources[0].model_copy(update={"name": "more"})
    plan = make_plan(made.model_copy(update={"sources": (more,)}), policy)
    assert plan.sources["test"] == "in the release, and not in the config"
    assert (plan.removed.records, plan.removed.by_reason) == (20, {"record:gone": 20})
    assert plan.is_empty
    assert plan.shards.dropped == len(plan.shards.changed) > 0


def test_a_source_file_that_changed_is_named(story):
    config, _ = story
    metadata = config.parent / "metadata.tsv"
    said = metadata.read_text()
    metadata.write_text(said + a_line(99) + "\n")
    os.utime(metadata, (0, 0))  # as a copy that keeps its times does
    try:
        assert plan_of(config, POLICY).sources == {"test": "changed since it was ingested"}
    finally:
        metadata.write_text(said)
    assert plan_of(config, POLICY).sources == {"test": "as ingested"}


def test_records_that_are_gone_take_their_pictures_along(story):
    config, _ = story
    store = load_corpus_config(str(config))[0].store
    (path,) = newest_of(config).manifest.records.values()
    whole = store.read_bytes(path)
    records = store.read_table(path)
    write_records(store, path, records.filter(pc.not_equal(records["record_id"], "test:2")))
    forget_rows(config)
    try:
        plan = plan_of(config, POLICY)
    finally:
        store.write_bytes(path, whole)
    assert (plan.removed.records, plan.removed.images) == (1, 1)
    assert plan.removed.by_reason == {"record:gone": 1}
    assert (plan.shards.written, plan.counts["admitted"]) == (1, 19)


def test_nothing_is_written_not_even_rows_that_a_build_would_keep(story):
    config, _ = story
    corpus = config.parent / "corpus"
    forget_rows(config)
    before = state_of(corpus)
    for text in (NARROW, WIDE):
        plan_of(config, text)
    assert state_of(corpus) == before


def test_pairs_that_were_not_searched_are_found_without_writing_them(story):
    config, _ = story
    before = plan_of(config, NARROW)
    for path in (config.parent / "corpus/facts/edges").rglob("*.parquet"):
        path.unlink()
    assert plan_of(config, NARROW) == before


@pytest.mark.parametrize("what", ["verdicts", "manifest.json"])
def test_an_edited_release_is_named(story, what):
    config, steps = story
    release = steps["back"][1][0]
    folder = release.store.local_path(release.path)
    path = next((folder / what).glob("*.parquet")) if what == "verdicts" else folder / what
    whole = path.read_bytes()
    path.write_bytes(whole + b"x" if what == "verdicts" else whole.replace(b'"admitted":20', b'"admitted":21'))
    try:
        with pytest.raises(CorpusError, match=f"{path.name} was edited"):
            plan_of(config, POLICY)
    finally:
        path.write_bytes(whole)
