"""Whatever is wrong in a config of any kind: one line that names file, key and what is allowed, and no table."""

import pytest

from byline.catalog.errors import ConfigError
from byline.pipelines.corpora.config import load_corpus_config
from tests.builders import a_corpus

POLICY_ERRORS = [
    (
        "radius_bits = 12",
        "radius_bits = 77",
        "duplicates.radius_bits: Input should be less than or equal to 31",
    ),
    ('obligations = ["attribution", "share-alike"]', "obligations = []", "[license] admits CC-BY, which asks for"),
    (
        "[split]",
        '[consent]\nrefuse = "x"\n[split]',
        "unknown key 'refuse' in [consent]; known keys: missing, ",
    ),
    (
        "[split]",
        "[sources.test.image]\nmin = 1\n[split]",
        "unknown key 'min' in [sources.test.image]; known keys: ",
    ),
    ("[split]", '[sources.test.image]\nmin_side_px = "a"\n[split]', "sources.test.image.min_side_px: Input should be"),
]
CORPUS_ERRORS = [
    ("num_packs = 3", 'num_packs = "x"', "sources.0.num_packs: Input should be a valid integer"),
    ("num_packs = 3", "", "missing key 'num_packs' in [sources.0]"),
    ('reader = "yfcc"', 'reader = "yfc"', "sources.0.reader: no reader 'yfc'; known: commons, "),
    (
        'captioner = "source-text"',
        'captioner = "blip"',
        "caption.captioner: no captioner 'blip'; known: blip2, source-text",
    ),
    ("[fetch]", '[weights]\nvae = "x"\n[fetch]', "unknown key 'vae' in [weights]; known keys: 'autoencoder' or "),
    ('name = "small"', "name = {a = 1}", "corpus.toml: name: Input should be a valid string"),
]


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [("policy.toml", *case) for case in POLICY_ERRORS] + [("corpus.toml", *case) for case in CORPUS_ERRORS],
)
def test_a_wrong_config_is_told_in_one_line_without_tables(tmp_path, file, old, new, said):
    config = a_corpus(tmp_path, num_pictures=1)
    text = (tmp_path / file).read_text()
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_corpus_config(str(config))
    told = str(caught.value)
    assert told.startswith(str(tmp_path / file))
    assert said in told
    assert "\n" not in told
    assert "{" not in told
    assert "; sources:" not in told
