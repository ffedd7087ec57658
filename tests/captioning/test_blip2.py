import json
from io import BytesIO
from pathlib import Path

import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from byline.captioning import CaptionRequest, make_captioner
from byline.captioning.blip2 import Blip2Captioner, Blip2Config
from byline.catalog.errors import CheckpointError, CorpusError

WORDS = "a photo of red green blue heart flag japan cat dog bird tree house car boat".split()
COLORS = ("red", "lime", "blue", "white", "black", "yellow")


def save_tiny_checkpoint(folder: Path, *, image_token_index: int | None = 3) -> Path:
    """Save a randomly initialized BLIP-2 of a few kilobytes, made offline, whose captions differ between pictures."""
    from transformers import Blip2Config as Architecture
    from transformers import (
        Blip2ForConditionalGeneration,
        Blip2Processor,
        Blip2QFormerConfig,
        Blip2VisionConfig,
        BlipImageProcessor,
        OPTConfig,
        PreTrainedTokenizerFast,
    )

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "initializer_range": 0.8}
    vocabulary = {word: index for index, word in enumerate(["<pad>", "</s>", "<unk>", "<image>", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="</s> $A", special_tokens=[("</s>", 1)])
    Blip2Processor(
        BlipImageProcessor(size={"height": 16, "width": 16}),
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            pad_token="<pad>",
            bos_token="</s>",
            eos_token="</s>",
            unk_token="<unk>",
            additional_special_tokens=["<image>"],
        ),
    ).save_pretrained(folder)
    vision = Blip2VisionConfig(**sizes, intermediate_size=16, image_size=16, patch_size=8)
    qformer = Blip2QFormerConfig(
        **sizes, vocab_size=len(vocabulary), intermediate_size=16, encoder_hidden_size=16, cross_attention_frequency=1
    )
    text = OPTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        init_std=0.8,
        vocab_size=len(vocabulary),
        ffn_dim=16,
        max_position_embeddings=64,
        word_embed_proj_dim=16,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=1,
    )
    torch.manual_seed(0)
    Blip2ForConditionalGeneration(
        Architecture(
            vision_config=vision.to_dict(),
            qformer_config=qformer.to_dict(),
            text_config=text.to_dict(),
            num_query_tokens=4,
            image_token_index=image_token_index,
            initializer_range=0.8,
        )
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    return save_tiny_checkpoint(tmp_path_factory.mktemp("blip2"))


def a_captioner(checkpoint: Path, *, batch_size: int = 8, **overrides) -> Blip2Captioner:
    config = Blip2Config(**{"captioner": "blip2", "model": str(checkpoint), "max_new_tokens": 6, **overrides})
    captioner = make_captioner(config, device="cpu", batch_size=batch_size)
    assert isinstance(captioner, Blip2Captioner)
    return captioner


def encoded(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def requests(colors: tuple[str, ...] = COLORS) -> list[CaptionRequest]:
    return [CaptionRequest(sha256=color, image=encoded(Image.new("RGB", (20, 12), color))) for color in colors]


@pytest.mark.parametrize("prompt", ["", "a photo of"])
def test_the_caption_depends_on_the_picture(checkpoint, prompt):
    assert len(set(a_captioner(checkpoint, prompt=prompt).caption(requests()))) > 1


@pytest.mark.parametrize("overrides", [{}, {"num_beams": 1, "sampling": {"seed": 3}}])
def test_a_caption_does_not_depend_on_its_batch(checkpoint, overrides):
    together = a_captioner(checkpoint, **overrides).caption(requests())
    alone = a_captioner(checkpoint, batch_size=1, **overrides)
    assert [alone.caption([request])[0] for request in reversed(requests())] == together[::-1]


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
    with pytest.raises(CheckpointError, match=r"no folder '.*nowhere' with a BLIP-2 checkpoint; name one"):
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
    with pytest.raises(CheckpointError, match="is not a BLIP-2 checkpoint that loads"):
        a_captioner(tmp_path).caption(requests()[:1])


@pytest.mark.parametrize("index", [None, 7])
def test_a_checkpoint_that_would_not_look_at_the_picture_is_refused(tmp_path, index):
    save_tiny_checkpoint(tmp_path, image_token_index=index)
    with pytest.raises(CheckpointError, match="set image_token_index to 3"):
        a_captioner(tmp_path).caption(requests()[:1])
