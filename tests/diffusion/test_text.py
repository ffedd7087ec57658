import json

import pytest
import torch
from pydantic import ValidationError
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from transformers import (
    BartConfig,
    BertConfig,
    BertModel,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    PreTrainedTokenizerFast,
    SiglipConfig,
    T5Config,
    T5EncoderModel,
    T5ForConditionalGeneration,
)

from byline.catalog.errors import ConfigError
from byline.diffusion.configs import TextEncoderConfig
from byline.diffusion.sources import ModelSource
from byline.diffusion.text import TextEncoder


@pytest.fixture(scope="module")
def encoder():
    return TextEncoder(TextEncoderConfig(max_tokens=8))


def test_a_caption_does_not_depend_on_the_others(encoder):
    alone = encoder.encode(["a red circle"])[0]
    among = encoder.encode([f"picture {i}" for i in range(40)] + ["a red circle"])[-1]
    assert torch.equal(alone, among)


def test_every_caption_is_as_many_vectors_and_padding_tells_of_it(encoder):
    red, blue = encoder.encode(["red", "blue"])
    assert red.shape == blue.shape == (8, encoder.width)
    assert (red[3:] - blue[3:]).abs().max() > 0.1


def test_padding_changes_no_token_before_it():
    short, long = (TextEncoder(TextEncoderConfig(max_tokens=tokens)).encode(["a red circle"])[0] for tokens in (5, 16))
    torch.testing.assert_close(short, long[:5])


def test_no_encoder_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="no text encoder at"):
        TextEncoder(TextEncoderConfig(name=str(tmp_path)))


def save_tiny_clip(folder):
    """Make and save a CLIP text model with random weights that spells in letters."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt")).save_pretrained(folder)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    ends = {"bos_token_id": vocabulary["<|startoftext|>"], "eos_token_id": vocabulary["<|endoftext|>"]}
    config = CLIPTextConfig(vocab_size=len(words), max_position_embeddings=16, **sizes, **ends)
    CLIPTextModel(config).save_pretrained(folder)
    return folder


def test_a_clip_folder_is_a_text_encoder(tmp_path):
    clip = TextEncoder(TextEncoderConfig(name=str(save_tiny_clip(tmp_path / "clip")), max_tokens=8))
    assert clip.width == 16
    assert [text.shape for text in clip.encode(["red", "a red circle"])] == [(8, 16)] * 2


def test_the_text_part_of_a_clip_model_with_projection_is_taken(tmp_path):
    folder = save_tiny_clip(tmp_path / "clip")
    text = CLIPTextModel.from_pretrained(folder)
    CLIPTextModelWithProjection(text.config).save_pretrained(folder)
    projected = CLIPTextModelWithProjection.from_pretrained(folder)
    encoder = TextEncoder(TextEncoderConfig(name=str(folder), max_tokens=8))
    tokens = encoder.tokenizer(["red"], padding="max_length", return_tensors="pt")
    with torch.no_grad():
        expected = projected(tokens["input_ids"], attention_mask=tokens["attention_mask"]).last_hidden_state
    torch.testing.assert_close(encoder.encode(["red"])[0], expected[0])


def save_tokenizer(folder, **special):
    """Make and save a tokenizer of letters."""
    letters = {"<pad>": 0, "</s>": 1, "<unk>": 2, **{chr(ord("a") + number): 3 + number for number in range(26)}}
    tokenizer = Tokenizer(WordLevel(letters, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Split(pattern="", behavior="isolated")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", **special).save_pretrained(folder)


T5 = {"vocab_size": 32, "d_model": 8, "d_kv": 4, "d_ff": 16, "num_layers": 1, "num_heads": 2}


@pytest.mark.parametrize("kind", [T5EncoderModel, T5ForConditionalGeneration], ids=["encoder", "whole"])
def test_the_encoder_of_a_t5_folder_is_taken(tmp_path, kind):
    kind(T5Config(**T5)).save_pretrained(tmp_path)
    save_tokenizer(tmp_path, pad_token="<pad>")
    encoder = TextEncoder(TextEncoderConfig(name=str(tmp_path), max_tokens=100))
    assert isinstance(encoder.model, T5EncoderModel)
    red, blue = encoder.encode(["red", "blue"])
    assert red.shape == (100, encoder.width) == (100, 8)
    assert not torch.equal(red, blue)


def test_an_encoder_in_a_folder_of_a_pipeline_takes_the_tokenizer_of_its_number(tmp_path):
    T5EncoderModel(T5Config(**T5)).save_pretrained(tmp_path / "text_encoder_3")
    save_tokenizer(tmp_path / "tokenizer_3", pad_token="<pad>")
    config = TextEncoderConfig(name=str(tmp_path), subfolder="text_encoder_3", max_tokens=4)
    assert TextEncoder(config).encode(["red"])[0].shape == (4, 8)


def test_a_model_without_a_pooler_has_one_of_zeros(tmp_path):
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    BertModel(BertConfig(vocab_size=32, **sizes), add_pooling_layer=False).save_pretrained(tmp_path)
    save_tokenizer(tmp_path, pad_token="<pad>")
    encoder = TextEncoder(TextEncoderConfig(name=str(tmp_path), max_tokens=4))
    assert encoder.model.pooler.dense.weight.count_nonzero() == 0
    encoder.model.save_pretrained(tmp_path / "again")
    save_tokenizer(tmp_path / "again", pad_token="<pad>")
    assert TextEncoder(TextEncoderConfig(name=str(tmp_path / "again"), max_tokens=4)).digest == encoder.digest


@pytest.mark.parametrize(
    ("config", "special", "tokens", "message"),
    [
        (BartConfig(vocab_size=32), {"pad_token": "<pad>"}, 4, "is a bart, which byline does not read; name a T5"),
        (SiglipConfig(), {"pad_token": "<pad>"}, 4, "is a siglip, which byline does not read; name a T5"),
        (T5Config(**T5), {}, 4, "has no padding token"),
        (T5Config(**T5), {"pad_token": "<pad>", "model_max_length": 9}, 10, "max_tokens = 10, and .* at most 9"),
    ],
)
def test_a_model_that_is_no_text_encoder_is_named(tmp_path, config, special, tokens, message):
    config.save_pretrained(tmp_path)
    save_tokenizer(tmp_path, **special)
    with pytest.raises(ConfigError, match=message):
        TextEncoder(TextEncoderConfig(name=str(tmp_path), max_tokens=tokens))


def test_more_tokens_than_a_clip_model_has_places_for_are_refused(tmp_path):
    folder = save_tiny_clip(tmp_path / "clip")
    with pytest.raises(ConfigError, match="text_encoder.max_tokens = 17, and .*clip reads at most 16; lower it"):
        TextEncoder(TextEncoderConfig(name=str(folder), max_tokens=17))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"revision": "main"}, "revision 'main' is of a hub's repository, and .* is a folder; remove it"),
        ({"subfolder": "../secrets"}, "leads out of"),
        ({"subfolder": "/etc"}, "leads out of"),
        ({"branch": "main"}, "Extra inputs"),
    ],
)
def test_a_place_that_cannot_be_is_one_line(tmp_path, overrides, message):
    with pytest.raises(ValidationError, match=message):
        TextEncoderConfig(name=str(tmp_path), **overrides)


def test_a_repository_is_asked_for_its_folder_and_revision():
    source = ModelSource(name="maker/model", subfolder="vae", revision="abc")
    assert source.options() == {"subfolder": "vae", "revision": "abc"}
    assert str(source) == "maker/model/vae at abc"
    assert ModelSource.model_validate("maker/model").options() == {}
