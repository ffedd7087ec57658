import json

import pytest
import torch
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from byline.catalog.errors import ConfigError
from byline.diffusion.configs import TextEncoderConfig
from byline.diffusion.text import TextEncoder, pad_tokens


@pytest.fixture(scope="module")
def encoder():
    return TextEncoder(TextEncoderConfig(max_tokens=8))


def test_a_caption_does_not_depend_on_the_others(encoder):
    alone = encoder.encode(["a red circle"])[0]
    among = encoder.encode([f"picture {i}" for i in range(40)] + ["a red circle"])[-1]
    assert torch.equal(alone, among)


def test_only_valid_tokens_come_back(encoder):
    lengths = [len(text) for text in encoder.encode(["", "red", "a b c d e f g h i j k"])]
    assert lengths == [2, 3, 8]
    assert encoder.encode([""])[0].shape == (2, encoder.width)


def test_padding_is_masked():
    text, mask = pad_tokens([torch.ones(1, 4), torch.ones(3, 4)])
    assert text.shape == (2, 3, 4)
    assert mask.tolist() == [[True, False, False], [True, True, True]]
    assert text[0, 1:].abs().sum() == 0


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
    assert [len(text) for text in clip.encode(["red", "a red circle"])] == [5, 8]
