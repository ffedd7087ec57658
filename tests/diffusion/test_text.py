import pytest
import torch

from catalog.errors import ConfigError
from diffusion.text import TextEncoder, TextEncoderConfig, pad_tokens


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
