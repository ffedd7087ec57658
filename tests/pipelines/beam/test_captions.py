"""Captions of models from end to end, with real Beam: who is asked, how often, and what is told when that fails."""

from collections import Counter
from pathlib import Path

import pytest

from byline.catalog.errors import ServerError
from byline.pipelines.beam.build import build
from tests.builders import a_corpus
from tests.captioning.answering import MODEL, answer, served
from tests.captioning.models import save_tiny_llava
from tests.pipelines.releases.released import captions_of

pytestmark = [pytest.mark.beam, pytest.mark.slow]


def captioned_by(config: Path, table: str) -> str:
    config.write_text(config.read_text().replace('captioner = "source-text"', table))
    return str(config)


def test_a_server_captions_each_picture_once(tmp_path):
    config = a_corpus(tmp_path, num_pictures=4)
    with served() as (url, answers):
        path = captioned_by(config, f'captioner = "openai"\nurl = "{url}"\nmodel = "{MODEL}"\nprompt = "what"')
        release = build(path, workers=2)
        asked = [question["messages"][0]["content"][0]["image_url"]["url"] for question in answers.asked]
        again = build(path, workers=2)
        assert len(answers.asked) == len(asked)
    assert len(captions_of(release)) == 4
    assert all(caption.startswith("a picture of (") for caption in captions_of(release).values())
    gray, *pictures = sorted(Counter(asked).values(), reverse=True)
    assert pictures == [1, 1, 1, 1]
    assert gray <= 2  # each worker asks once of a gray picture, before any other
    assert again.version == release.version


def test_what_is_wrong_with_a_server_is_told_in_one_line_by_a_worker_too(tmp_path):
    config = a_corpus(tmp_path, num_pictures=2)
    with served() as (url, answers):
        answers.next = [(200, {}, answer("a dog", "org/other"))] * 8
        path = captioned_by(config, f'captioner = "openai"\nurl = "{url}"\nmodel = "{MODEL}"')
        with pytest.raises(ServerError, match="answered by org/other; fix model") as raised:
            build(path, workers=2)
    assert "\n" not in str(raised.value)


def test_workers_with_processes_of_their_own_make_the_same_release(tmp_path):
    model = save_tiny_llava(tmp_path / "llava")
    versions = set()
    for workers, decoders in ((1, 0), (2, 1)):
        config = a_corpus(tmp_path / f"{workers}", num_pictures=4)
        table = f'captioner = "transformers"\nmodel = "{model}"\nprompt = "a photo"\nmax_new_tokens = 4\n'
        path = captioned_by(config, f'{table}machine = {{ device = "cpu", decoders = {decoders} }}')
        release = build(path, workers=workers)
        assert len(captions_of(release)) == 4
        versions.add(release.version)
    assert len(versions) == 1
