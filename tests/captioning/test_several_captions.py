"""Several captions of a picture from one search, and how surely each was written."""

import pytest
import torch
from pydantic import ValidationError

from byline.captioning.generating import Blip2Config, GeneratingCaptioner, TransformersConfig
from tests.captioning.models import requests, save_tiny_blip2, save_tiny_llava

BEAMS = {"num_beams": 4, "captions_each": 3}
IMAGE = 3
"""The token that stands for a picture."""
NUCLEUS = {"num_beams": 1, "captions_each": 3, "sampling": {"seed": 3}}


@pytest.fixture(scope="module")
def blip2(tmp_path_factory):
    return str(save_tiny_blip2(tmp_path_factory.mktemp("blip2")))


@pytest.fixture(scope="module")
def llava(tmp_path_factory):
    return str(save_tiny_llava(tmp_path_factory.mktemp("llava")))


def of_blip2(model, *, batch_size=None, **overrides):
    machine = {"device": "cpu", "batch_size": batch_size}
    said = {"captioner": "blip2", "model": model, "max_new_tokens": 6, "machine": machine, **overrides}
    return GeneratingCaptioner(Blip2Config(**said))


def of_llava(model, **overrides):
    said = {"captioner": "transformers", "model": model, "prompt": "a photo", "max_new_tokens": 6, **overrides}
    return GeneratingCaptioner(TransformersConfig(**said, machine={"device": "cpu"}))


@pytest.mark.parametrize("overrides", [BEAMS, NUCLEUS])
def test_each_picture_has_several_whatever_its_batch(blip2, overrides):
    together = list(of_blip2(blip2, **overrides).captions(requests()))
    alone = of_blip2(blip2, batch_size=1, **overrides)
    assert [len(written) for written in together] == [3] * len(requests())
    assert len({one.text for written in together for one in written}) > 6
    assert [next(alone.captions([request])) for request in reversed(requests())] == together[::-1]


def test_the_best_beam_is_the_caption_of_one_that_asks_for_one(blip2):
    several = of_blip2(blip2, **BEAMS)
    assert several.caption(requests()) == of_blip2(blip2, num_beams=4).caption(requests())


def test_asking_for_several_is_another_instrument_and_for_one_is_not(blip2):
    one = of_blip2(blip2, num_beams=4)
    assert of_blip2(blip2, num_beams=4, captions_each=1).instrument == one.instrument
    assert of_blip2(blip2, **BEAMS).instrument != one.instrument
    assert "num_return_sequences" not in one.attributed("").decoding


def test_more_captions_than_beams_are_refused():
    with pytest.raises(ValidationError, match="captions_each = 3 needs as many num_beams, not 2, or a"):
        Blip2Config(captioner="blip2", model="org/name", num_beams=2, captions_each=3)


def test_a_picture_is_encoded_once_for_all_its_captions(blip2):
    captioner, seen = of_blip2(blip2, **NUCLEUS), []
    network = captioner._network_on("cpu")
    network.vision_model.register_forward_hook(lambda _, __, out: seen.append(len(out[0])))
    list(captioner.captions(requests()))
    assert seen == [1] * len(requests())


@pytest.mark.parametrize("overrides", [{"num_beams": 1}, BEAMS, NUCLEUS])
def test_log_probabilities_are_those_of_reading_the_caption_again(llava, overrides):
    captioner, made = of_llava(llava, **overrides), []
    network, generate = captioner._network_on("cpu"), captioner._network_on("cpu").generate
    network.generate = lambda **arguments: made.append(generate(**arguments)) or made[-1]
    checked = 0
    for request in requests():
        inputs = {name: torch.from_numpy(value) for name, value in captioner._preparer.prepare(request).items()}
        given = inputs["input_ids"]
        for row, written in enumerate(next(captioner.captions([request]))):
            tokens = made[-1].sequences[row : row + 1, given.shape[1] :][:, : written.num_tokens]
            if (tokens == IMAGE).any():
                continue  # read again, it would be a second picture
            whole = torch.cat([given, tokens], dim=1)
            with torch.inference_mode():
                logits = network(
                    pixel_values=inputs["pixel_values"], input_ids=whole, attention_mask=torch.ones_like(whole)
                ).logits[0, given.shape[1] - 1 : -1]
            expected = logits.log_softmax(-1)[range(written.num_tokens), tokens[0]].mean().item()
            assert written.mean_log_prob == pytest.approx(expected, abs=1e-3)
            checked += 1
    assert checked >= 3
