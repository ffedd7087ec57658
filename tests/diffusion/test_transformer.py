"""A transformer: what it is at the start, what its rotations keep, and that it can learn."""

from itertools import product

import pytest
import torch

from byline.catalog.configs.loading import parse_config
from byline.catalog.errors import ConfigError
from byline.diffusion.configs import TransformerConfig
from byline.diffusion.networks import build_denoiser, load_denoiser, text_width_of
from byline.diffusion.transformer import Attention, modulate, rope_angles, rotate

SMALL = {"patch_size": 2, "hidden_size": 32, "num_layers": 2, "num_attention_heads": 2}
SHAPES = [
    {"text_attention": attention, "shared_modulation": shared, "patch_bottleneck": None if shared else 4}
    for attention, shared in product(("joint", "cross"), (True, False))
]


def a_transformer(**overrides):
    torch.manual_seed(0)
    config = TransformerConfig(**{**SMALL, **overrides})
    return build_denoiser(config, side=8, latent_channels=4, text_width=16)


def some_inputs(size=2):
    generator = torch.Generator().manual_seed(1)
    drawn = (torch.randn(shape, generator=generator) for shape in ((size, 4, 8, 8), (size, 3, 16)))
    return next(drawn), torch.arange(size) * 400 + 50, next(drawn)


def predict(network, x, t, text):
    return network(x, t, encoder_hidden_states=text).sample


@pytest.mark.parametrize("shape", SHAPES)
def test_it_gives_zero_at_the_start_and_every_block_gives_what_it_is_given(shape):
    network, (x, t, text) = a_transformer(**shape), some_inputs()
    assert predict(network, x, t, text).abs().max() == 0
    given = torch.randn(2, 16, 32)
    condition, words = torch.randn(2, 32), torch.randn(2, 3, 32)
    shared = network.modulation(condition) if network.modulation else None
    for block in network.blocks:
        assert torch.equal(block(given, condition, shared, rope_angles(4, 4, 16, given.device), words), given)


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_it_learns_one_batch_by_heart_from_time_and_text(shape):
    network, (x, t, text) = a_transformer(**shape, pooled_text=False), some_inputs(4)
    x[1:], t[2:] = x[:1], t[:1]  # so that the first two differ by the time, and the rest by the text
    wanted = torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
    optimizer = torch.optim.AdamW(network.parameters(), lr=6e-3)
    for _ in range(200):
        loss = (predict(network, x, t, text) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.05


def test_a_rotated_query_and_key_tell_only_how_far_apart_they_are():
    angles = rope_angles(6, 6, 16, torch.device("cpu"))
    query, key = torch.randn(2, 16).double().unbind()

    def at(vector, row, column):
        return rotate(vector.expand(1, 1, 36, 16), angles)[0, 0, row * 6 + column]

    one, moved = (at(query, 1 + by, by) @ at(key, 3 + by, 2 + by) for by in (0, 2))
    torch.testing.assert_close(one, moved, atol=1e-5, rtol=0)
    assert (at(query, 1, 0) @ at(key, 2, 3) - one).abs() > 1e-3
    torch.testing.assert_close(at(query, 5, 4).norm(), query.norm(), atol=1e-5, rtol=0)


def test_text_after_the_patches_is_not_turned():
    x = torch.randn(1, 2, 5, 16)
    assert torch.equal(rotate(x, rope_angles(2, 2, 16, x.device))[:, :, 4:], x[:, :, 4:])


def test_patches_come_back_to_their_places():
    network = a_transformer()
    x = torch.randn(2, 4, 8, 8)
    network.embed = torch.nn.Identity()
    patches, (rows, columns) = network._patches(x)
    assert torch.equal(network._picture(patches, rows, columns), x)


def test_normalized_queries_do_not_grow_with_what_attends():
    x = torch.randn(1, 5, 32)
    for qk_norm in (True, False):
        attention = Attention(32, 2, qk_norm=qk_norm)
        torch.nn.init.zeros_(attention.queries.bias)
        one, larger = (attention.query_norm(attention.queries(x * by).unflatten(-1, (2, -1))) for by in (1, 100))
        assert torch.allclose(one, larger, atol=1e-3) is qk_norm


def test_modulating_by_nothing_is_the_norm():
    x = torch.randn(2, 3, 8)
    assert torch.equal(modulate(x, torch.zeros(2, 8), torch.zeros(2, 8)), modulate(x))


def test_it_is_saved_and_loaded_as_it_is(tmp_path):
    network = a_transformer()
    network.last.weight.data.normal_()
    network.save_pretrained(tmp_path)
    loaded, (x, t, text) = load_denoiser(tmp_path), some_inputs()
    assert text_width_of(loaded) == 16
    assert torch.equal(predict(loaded.eval(), x, t, text), predict(network.eval(), x, t, text))


def test_activations_computed_again_give_the_same_gradients():
    gradients = []
    for again in (False, True):
        network, (x, t, text) = a_transformer(), some_inputs()
        network.last.weight.data.normal_()
        if again:
            network.enable_gradient_checkpointing()
        predict(network.train(), x, t, text).square().mean().backward()
        gradients.append(network.embed.weight.grad)
    assert gradients[0].abs().sum() > 0
    assert torch.equal(*gradients)


def test_a_patch_that_does_not_divide_is_one_line():
    with pytest.raises(ConfigError, match=r"transformer.patch_size = 3 does not divide 8, the side of what"):
        a_transformer(patch_size=3)


def test_heads_that_do_not_divide_are_one_line():
    with pytest.raises(ConfigError, match=r"hidden_size = 36 must be a multiple of 4 \* num_attention_heads = 8"):
        parse_config({**SMALL, "hidden_size": 36}, TransformerConfig, where="transformer")
