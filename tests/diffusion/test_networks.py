import pytest
import torch
from pydantic import ValidationError

from byline.diffusion.configs import UNetConfig
from byline.diffusion.networks import build_unet

SMALL = {"block_out_channels": [8, 16], "norm_num_groups": 4, "attention_head_dim": 2}


def a_unet(*, text_width=8, **overrides):
    torch.manual_seed(0)
    return build_unet(UNetConfig(**{**SMALL, **overrides}), side=4, latent_channels=2, text_width=text_width).eval()


def predicted(unet, text_BLD):
    with torch.no_grad():
        return unet(torch.ones(1, 2, 4, 4), torch.tensor(3), encoder_hidden_states=text_BLD).sample


def test_heads_are_those_of_each_block():
    unet = a_unet(attention_head_dim=[2, 4])
    heads = [block.attentions[0].transformer_blocks[0].attn2.heads for block in (*unet.down_blocks, *unet.up_blocks)]
    assert heads == [2, 4, 4, 2]


def test_linear_projection_is_stable_diffusion_2s():
    unet = a_unet(use_linear_projection=True)
    assert isinstance(unet.down_blocks[0].attentions[0].proj_in, torch.nn.Linear)


@pytest.mark.parametrize("text_width", [8, 12, 128, 130])
@pytest.mark.parametrize("cross_attention_dim", [None, 8])
def test_text_of_any_width_is_read(text_width, cross_attention_dim):
    unet = a_unet(text_width=text_width, cross_attention_dim=cross_attention_dim)
    one, other = (predicted(unet, torch.randn(1, 3, text_width)) for _ in range(2))
    assert not torch.equal(one, other)
    assert unet.config.cross_attention_dim == (cross_attention_dim or text_width)


def test_pooled_text_counts_where_nothing_attends_to_it():
    text = torch.randn(2, 1, 3, 8)
    for pooled in (True, False):
        unet = a_unet(pooled_text=pooled, attention=[False, False])
        for block in unet.mid_block.attentions[0].transformer_blocks:
            block.attn2.to_out[0].weight.data.zero_()
        assert torch.equal(predicted(unet, text[0]), predicted(unet, text[1])) is not pooled


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"attention": [True]}, "attention has 1 entries for 2 blocks"),
        ({"attention_head_dim": [2, 2, 2]}, "attention_head_dim has 3 entries for 2 blocks"),
        ({"attention_head_dim": []}, "attention_head_dim has no entry"),
        ({"attention_head_dim": 3}, "block_out_channels has 8, which attention_head_dim = 3 does not divide"),
        ({"norm_num_groups": 16}, "block_out_channels has 8, which norm_num_groups = 16 does not divide"),
        ({"block_out_channels": [8, 0]}, "greater than 0"),
    ],
)
def test_sizes_that_do_not_fit_are_named(overrides, message):
    with pytest.raises(ValidationError, match=message):
        UNetConfig(**{**SMALL, **overrides})
