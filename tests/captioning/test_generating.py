import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from byline.captioning import CaptionRequest, make_captioner
from byline.captioning.generating import Blip2Config, GeneratingCaptioner, TransformersConfig
from byline.catalog.errors import CheckpointError, ConfigError, CorpusError
from tests.captioning.models import encoded, requests, save_tiny_blip2, save_tiny_llava


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    return save_tiny_blip2(tmp_path_factory.mktemp("blip2"))


@pytest.fixture(scope="module")
def chat_checkpoint(tmp_path_factory) -> Path:
    return save_tiny_llava(tmp_path_factory.mktemp("llava"))


def a_captioner(checkpoint: Path, *, kind=Blip2Config, **overrides) -> GeneratingCaptioner:
    name = {Blip2Config: "blip2", TransformersConfig: "transformers"}[kind]
    machine = {"device": "cpu", **overrides.pop("machine", {})}
    config = kind(**{"captioner": name, "model": str(checkpoint), "max_new_tokens": 6, "machine": machine, **overrides})
    captioner = make_captioner(config)
    assert isinstance(captioner, GeneratingCaptioner)
    return captioner


@pytest.mark.parametrize("prompt", ["", "a photo of"])
def test_the_caption_depends_on_the_picture(checkpoint, prompt):
    assert len(set(a_captioner(checkpoint, prompt=prompt).caption(requests()))) > 1


@pytest.mark.parametrize("overrides", [{}, {"num_beams": 1, "sampling": {"seed": 3}}])
def test_a_caption_does_not_depend_on_its_batch(checkpoint, overrides):
    together = a_captioner(checkpoint, **overrides).caption(requests())
    alone = a_captioner(checkpoint, machine={"batch_size": 1}, **overrides)
    assert [alone.caption([request])[0] for request in reversed(requests())] == together[::-1]


@pytest.mark.parametrize("overrides", [{}, {"num_beams": 1, "sampling": {"seed": 3}}])
def test_a_caption_does_not_depend_on_threads(checkpoint, overrides):
    """Workers of a build divide the cores, so how many there are decides on how many threads each computes."""
    before, captions = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            captions.append(a_captioner(checkpoint, **overrides).caption(requests()))
    finally:
        torch.set_num_threads(before)
    assert captions == captions[:1] * 3


def test_another_seed_samples_other_captions(checkpoint):
    one, other = (a_captioner(checkpoint, num_beams=1, sampling={"seed": seed}) for seed in (0, 1))
    assert one.caption(requests()) != other.caption(requests())


def test_sampling_leaves_the_global_generator_alone(checkpoint):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    a_captioner(checkpoint, num_beams=1, sampling={}).caption(requests()[:1])
    assert torch.rand(1) == expected


def test_the_prompt_is_not_part_of_the_caption(checkpoint):
    captions = a_captioner(checkpoint, prompt="japan japan japan", max_new_tokens=2).caption(requests())
    assert max(len(caption.split()) for caption in captions) <= 2


def test_transparent_pictures_are_seen_on_white(checkpoint):
    clear = CaptionRequest(sha256="clear", image=encoded(Image.new("RGBA", (20, 12), (0, 0, 0, 0))))
    captioner = a_captioner(checkpoint)
    assert captioner.caption([clear]) == captioner.caption(requests(("white",)))


def test_no_requests_have_no_captions(checkpoint):
    assert a_captioner(checkpoint).caption([]) == []


def test_bytes_that_are_no_picture_name_the_image(checkpoint):
    with pytest.raises(CorpusError, match="image f00d cannot be decoded"):
        a_captioner(checkpoint).caption([CaptionRequest(sha256="f00d", image=b"no picture")])


def test_a_caption_says_what_made_it(checkpoint):
    caption = a_captioner(checkpoint, prompt="a photo of").attributed("a cat")
    assert (caption.model, caption.prompt, caption.seed) == (checkpoint.name, "a photo of", 0)
    assert json.loads(caption.decoding) == {"do_sample": False, "max_new_tokens": 6, "num_beams": 5}
    assert caption.revision.startswith("sha256:")


@pytest.mark.parametrize(
    "overrides",
    [{"prompt": "a photo of"}, {"num_beams": 2}, {"num_beams": 1, "sampling": {"seed": 1}}, {"dtype": "bfloat16"}],
)
def test_the_instrument_changes_with_the_settings(checkpoint, overrides):
    assert a_captioner(checkpoint, **overrides).instrument != a_captioner(checkpoint).instrument


def test_the_instrument_does_not_depend_on_where_the_weights_lie(checkpoint, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in checkpoint.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    assert a_captioner(copy).instrument == a_captioner(checkpoint).instrument


def test_a_hub_checkpoint_is_named_by_its_commit():
    commit = "0123456789abcdef0123456789abcdef01234567"
    caption = a_captioner(Path("org/name"), revision=commit).attributed("a cat")
    assert (caption.model, caption.revision) == ("org/name", commit)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"no folder '.*nowhere' with a checkpoint of a captioner; name one"):
        a_captioner(tmp_path / "nowhere")


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="holds no weights; save it again as safetensors"):
        a_captioner(tmp_path)


def test_pickled_weights_are_refused(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04N.")
    with pytest.raises(CheckpointError, match=r"only pickled weights \(pytorch_model.bin\).*pickles can run code"):
        a_captioner(tmp_path)


def test_weights_of_something_else_are_refused(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="is not a checkpoint that this captioner loads"):
        a_captioner(tmp_path).caption(requests()[:1])


@pytest.mark.parametrize("index", [None, 7])
def test_a_checkpoint_that_would_not_look_at_the_picture_is_refused(tmp_path, index):
    save_tiny_blip2(tmp_path, image_token_index=index)
    with pytest.raises(CheckpointError, match="set image_token_index to 3"):
        a_captioner(tmp_path).caption(requests()[:1])


def many_requests() -> list[CaptionRequest]:
    """Forty pictures that are all different, the same at each call."""
    generator = np.random.default_rng(0)
    noise = [generator.integers(0, 256, (30, 20 + i, 3), dtype=np.uint8) for i in range(40)]
    return [CaptionRequest(sha256=str(i), image=encoded(Image.fromarray(one))) for i, one in enumerate(noise)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Blip2Config, TransformersConfig])
@pytest.mark.parametrize("machine", [{"batch_size": 1}, {"batch_size": 16}, {"decoders": 2}])
def test_no_setting_of_the_machine_changes_a_caption_or_the_instrument(checkpoint, chat_checkpoint, kind, machine):
    place = checkpoint if kind is Blip2Config else chat_checkpoint
    plain, other = a_captioner(place, kind=kind), a_captioner(place, kind=kind, machine=machine)
    captions = plain.caption(many_requests())
    assert len(set(captions)) > 3
    assert other.caption(many_requests()[::-1]) == captions[::-1]
    assert other.instrument == plain.instrument


def test_a_chat_model_is_asked_by_its_own_template(chat_checkpoint):
    one, other = (a_captioner(chat_checkpoint, kind=TransformersConfig, prompt=prompt) for prompt in ("a cat", "tree"))
    assert one.caption(requests()) != other.caption(requests())


def test_blip2_is_one_case_of_transformers(checkpoint):
    plain = a_captioner(checkpoint, kind=TransformersConfig, prompt="a photo of", num_beams=5)
    assert plain.caption(requests()) == a_captioner(checkpoint, prompt="a photo of").caption(requests())


def test_another_architecture_is_no_blip2(chat_checkpoint):
    with pytest.raises(CheckpointError, match="it is of the architecture llava, not blip-2"):
        a_captioner(chat_checkpoint).caption(requests())


def test_weights_that_lack_a_layer_are_refused(checkpoint, tmp_path):
    from safetensors.torch import load_file, save_file

    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    weights = load_file(copy / "model.safetensors")
    weights.pop(next(name for name in sorted(weights) if "qformer" in name))
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="1 weights are missing, qformer"):
        a_captioner(copy).caption(requests())


def test_damaged_weights_are_refused(checkpoint, tmp_path):
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    (copy / "model.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(CheckpointError, match="is not a checkpoint that this captioner loads"):
        a_captioner(copy).caption(requests())


def test_a_prompt_that_leaves_no_place_for_a_caption_is_refused(checkpoint):
    with pytest.raises(ConfigError, match=r"prompt has 71 tokens and max_new_tokens is 6, but .* has places for 64"):
        a_captioner(checkpoint, prompt="a " * 70).caption(requests())


@pytest.mark.slow
def test_what_requests_raise_is_raised_by_captions(checkpoint):
    def broken():
        yield from requests()
        raise CorpusError("the tar is gone")

    with pytest.raises(CorpusError, match="the tar is gone"):
        list(a_captioner(checkpoint, machine={"decoders": 1}).captions(broken()))


def test_no_pictures_load_no_weights(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert a_captioner(tmp_path).caption([]) == []
