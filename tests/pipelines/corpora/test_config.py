"""What a config says of its files: read once for each config that is loaded, and anew for the next."""

import shutil
from pathlib import Path

import pytest

from byline.pipelines.corpora.config import load_corpus_config
from byline.pipelines.corpora.settings import settings
from tests.builders import a_corpus
from tests.pipelines.facts.evaluation.lists import a_list, a_photograph

MODEL = Path("samples/models/copy-detector").resolve()


@pytest.fixture
def config(tmp_path):
    """The path of a config with an evaluation set and with weights of its own."""
    path = a_corpus(tmp_path, num_pictures=1, num_packs=1)
    shutil.copytree(MODEL, tmp_path / "model")
    listed = a_list(tmp_path, [a_photograph(1)])
    path.write_text(
        f'evaluation_sets = ["{listed}"]\n{path.read_text()}\n[embedding]\nmodel = "{tmp_path / "model"}"\n'
    )
    return path


def test_files_are_read_once(config, tmp_path):
    made, policy = load_corpus_config(str(config))
    first = settings(made, policy)
    (tmp_path / "model/model.safetensors").write_bytes(b"changed")
    (tmp_path / "val.parquet").unlink()
    assert settings(made, policy) == first
    assert [facts.instrument for facts in made.added_facts] == [first.instruments.embedding]


def test_a_config_that_is_loaded_again_sees_what_changed(config, tmp_path):
    before = load_corpus_config(str(config))[0].instruments
    with (tmp_path / "model/config.json").open("a") as file:
        file.write("\n")
    a_list(tmp_path, [a_photograph(2)])
    after = load_corpus_config(str(config))[0].instruments
    assert after.embedding != before.embedding
    assert after.evaluation != before.evaluation


def test_what_was_read_is_no_part_of_a_config(config):
    made, other = (load_corpus_config(str(config))[0] for _ in range(2))
    said = other.model_dump_json()
    assert made.instruments.evaluation
    assert made == other
    assert made.model_dump_json() == said
