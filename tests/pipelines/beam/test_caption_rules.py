"""Rules on what captions say, from a config to verdicts."""

import pytest

from byline.catalog.errors import ConfigError
from byline.pipelines.beam.build import build, last_record
from byline.pipelines.corpora.config import load_corpus_config
from tests.builders import POLICY, a_picture, a_yfcc_line, encoded, write_corpus
from tests.pipelines.releases.released import captions_of, verdicts_of

pytestmark = [pytest.mark.beam, pytest.mark.slow]
TITLES = ["a+red+boat", "boats+by+Ada+L.", "boats+at+www.example.org", "iphone+6+wallpaper", "boat+boat+boat", "a+pier"]
REFUSED = {"test:1": "creator", "test:2": "url", "test:3": "nothing", "test:4": "repeats"}


@pytest.fixture
def config(tmp_path):
    lines = [
        a_yfcc_line(str(number), f"https://pictures.example/{number}.jpg", title=title)
        for number, title in enumerate(TITLES)
    ]
    config = write_corpus(tmp_path, lines)
    for number in range(len(TITLES)):
        (tmp_path / f"pictures/{number}.jpg").write_bytes(encoded(a_picture(number)))
    return config


def test_captions_are_refused_for_what_the_policy_names_and_made_once(config, tmp_path):
    assert len(captions_of(build(str(config), workers=1))) == len(TITLES)
    rules = '[caption]\nrefuse = ["url", "mark", "nothing", "repeats", "creator"]\n'
    (tmp_path / "policy.toml").write_text(f"{POLICY}{rules}")
    release = build(str(config), workers=1)
    found = {record: row["reasons"] for record, row in verdicts_of(release).items() if row["reasons"]}
    assert found == {record: [f"caption:{flag}"] for record, flag in REFUSED.items()}
    assert set(captions_of(release).values()) == {"a red boat", "a pier"}
    assert last_record(release.store)["done"]["captioned"] == 0
    (tmp_path / "policy.toml").write_text(f'{POLICY}[caption]\nrefuse = ["url"]\n')
    assert len(captions_of(build(str(config), workers=1))) == len(TITLES) - 1


def test_a_policy_that_refuses_synthetic_captions_takes_those_of_the_source_alone(config, tmp_path):
    (tmp_path / "policy.toml").write_text(f'{POLICY}[caption]\nsynthetic = "refuse"\n')
    load_corpus_config(str(config))
    also = '[captions.model.by]\ncaptioner = "openai"\nurl = "http://localhost:1/v1"\nmodel = "org/eyes"\n'
    config.write_text(config.read_text() + also)
    with pytest.raises(
        ConfigError, match=r"\[captions.model\] of the corpus is written by openai; caption with source"
    ):
        load_corpus_config(str(config))
