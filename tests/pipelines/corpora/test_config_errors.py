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
    ("num_packs = 3", "num_packs = 1000000000", "sources.0.num_packs: Input should be less than or equal to 100000"),
    ("num_packs = 3", f"num_packs = {'1' * 5000}", "is not TOML: Exceeds the limit"),
    ('name = "small"', f"name = {'[' * 5000}{']' * 5000}", "is nested too deep; at most 50"),
    ("[fetch]", f"[metrics{'.a' * 5000}]\nb = 1\n[fetch]", "is nested too deep; at most 50"),
    ('name = "small"', f"name{'.a' * 500_000} = 1", "is nested too deep; at most 50"),
    ('name = "small"', "name = { a" + '. "a"' * 300_000 + " = 1 }", "is nested too deep; at most 50"),
    ('name = "small"', "a.b.c = 1\n" * 300_000, "has more than 2,097,152 bytes, as no config has; name a TOML file"),
    ("num_packs = 3", "", "missing key 'num_packs' in [sources.0]"),
    ('reader = "yfcc"', 'reader = "yfc"', "sources.0.reader: no reader 'yfc'; known: commons, "),
    (
        'captioner = "source-text"',
        'captioner = "blip"',
        "caption.captioner: no captioner 'blip'; known: blip2, openai, source-text, transformers",
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


@pytest.mark.parametrize(
    ("root", "said"),
    [
        ("", "root: names nothing; name a file or a folder, . for the folder of the config, got ''"),
        ("  ", "root: names nothing; name a file or a folder, . for the folder of the config, got '  '"),
        ("a\\u0000b", "root: has a zero byte, which no path has; write it without, got 'a\\x00b'"),
    ],
)
def test_a_root_that_names_nothing_is_told(tmp_path, root, said):
    config = a_corpus(tmp_path, num_pictures=1)
    config.write_text(config.read_text().replace(f'root = "{tmp_path / "corpus"}"', f'root = "{root}"'))
    with pytest.raises(ConfigError) as caught:
        load_corpus_config(str(config))
    assert str(caught.value) == f"{config}: {said}"


@pytest.mark.parametrize("name", ["a\0b", "a" * 5000])
def test_a_name_that_no_file_has_is_told(name):
    with pytest.raises(ConfigError, match="cannot read '"):
        load_corpus_config(name)
