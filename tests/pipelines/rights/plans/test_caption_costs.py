"""How many captions are missing, by whom, and what they would take."""

import pytest

from byline.catalog.configs.loading import read_toml
from byline.catalog.errors import ConfigError
from byline.cli.plan import _captions
from byline.pipelines.beam.build import build
from byline.pipelines.corpora.config import load_corpus_config
from byline.pipelines.rights.plans.caption_costs import find_rate
from byline.pipelines.rights.plans.planning import make_plan
from tests.builders import a_corpus
from tests.captioning.answering import MODEL, served

pytestmark = pytest.mark.beam


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """Return the plan of a model's captions in a corpus that has those of its source; and the build's, made after."""
    folder = tmp_path_factory.mktemp("costs")
    config = a_corpus(folder, num_pictures=6, num_packs=2)
    build(str(config), workers=1)
    with served() as (url, answers):
        table = f'captioner = "openai"\nurl = "{url}"\nmodel = "{MODEL}"\n'
        also = '[captions.title]\nby = { captioner = "source-text" }\n'
        config.write_text(config.read_text().replace('captioner = "source-text"\n', table + also))
        made, policy = load_corpus_config(str(config))
        before = make_plan(made, policy)
        build(str(config), workers=1)
        asked = len({str(question) for question in answers.asked}) - 1  # and a gray picture
    return before, asked, make_plan(made, policy), made


@pytest.mark.slow
def test_only_what_a_captioner_has_not_written_is_missing(planned):
    before, asked, after, made = planned
    assert before.captions == {made.instruments.captions: asked} == {made.instruments.captions: 6}
    assert before.to_caption.records == 6
    assert (after.captions, after.to_caption.records, after.is_exact) == ({}, 0, True)


@pytest.mark.slow
def test_hours_come_at_the_rate_of_the_last_build_or_as_stated(planned):
    before, _, _, made = planned
    measured = find_rate(None, made.instruments.captions, made.store, images_per_s=None, usd_per_hour=None)
    assert measured.images_from == "measured by build 00001, 6 pictures"
    stated = find_rate(None, made.instruments.captions, made.store, images_per_s=0.5, usd_per_hour=3.0)
    assert stated.hours(6) == pytest.approx(12 / 3600)
    instrument = made.instruments.captions
    [line] = _captions(before, {instrument: stated.model_copy(update={"images_per_s": 6 / 7200})})
    assert "2.00 hours of one worker" in line
    assert "$6.00 (as given)" in line
    [line] = _captions(before, {})
    assert line.endswith("--on or --images-per-s tells the hours.")


def test_what_nobody_measured_is_refused_and_every_row_of_the_table_has_its_source(planned):
    store = planned[-1].store
    with pytest.raises(ConfigError, match="nobody told how fast 'abacus' captions; known: a100"):
        find_rate("abacus", "x", store, images_per_s=None, usd_per_hour=None)
    with pytest.raises(ConfigError, match="images_per_s"):
        find_rate(None, "x", store, images_per_s=0.0, usd_per_hour=None)
    for name in read_toml("configs/hardware/captions.toml"):
        assert find_rate(name, "x", store, images_per_s=None, usd_per_hour=None).images_from
