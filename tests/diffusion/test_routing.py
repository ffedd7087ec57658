"""Routed tokens skip their blocks as they are, come back to where they were, and keep their positions."""

import pytest
import torch
from torch import nn

from byline.diffusion.configs import TransformerConfig
from byline.diffusion.networks import build_denoiser
from byline.diffusion.routing import Route, kept_tokens
from byline.diffusion.transformer import rope_angles, rotate

SIZE = {"patch_size": 2, "hidden_size": 32, "num_layers": 4, "num_attention_heads": 2}
NUM_TOKENS, NUM_WORDS = 16, 3
ATTENTIONS = ("joint", "cross")


def a_transformer(**overrides):
    """Return a network none of whose weights is zero."""
    network = build_denoiser(TransformerConfig(**{**SIZE, **overrides}), side=8, latent_channels=4, text_width=16)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(0.2 * torch.randn(weight.shape, generator=generator))
    return network


def some_inputs():
    generator = torch.Generator().manual_seed(1)
    x, text = (torch.randn(shape, generator=generator) for shape in ((2, 4, 8, 8), (2, NUM_WORDS, 16)))
    return x, torch.tensor([50, 450]), text


def a_route(share=0.5, start_block=1, end_block=3):
    uniform = torch.rand(2, NUM_TOKENS, generator=torch.Generator().manual_seed(2))
    return Route(start_block=start_block, end_block=end_block, kept=kept_tokens(uniform, share))


def through_blocks(network, **asked):
    """Return what the network predicts, and for each block the sequence that it was given and that it gave."""
    seen = []
    hooks = [
        block.register_forward_hook(lambda _, given, gave: seen.append((given[0], gave))) for block in network.blocks
    ]
    x, t, text = some_inputs()
    predicted = network(x, t, text, **asked).sample
    for hook in hooks:
        hook.remove()
    return predicted, seen


def test_a_draw_keeps_other_tokens_of_each_picture_in_their_order():
    kept = a_route().kept
    assert kept.shape == (2, 8)
    assert (kept.diff(dim=1) > 0).all()
    assert kept[0].tolist() != kept[1].tolist()


def test_every_token_is_kept_as_often_as_any_other():
    kept = kept_tokens(torch.rand(4000, 8, generator=torch.Generator().manual_seed(0)), 0.75)
    counts = torch.bincount(kept.flatten(), minlength=8) / 4000
    torch.testing.assert_close(counts, torch.full((8,), 0.25), atol=0.03, rtol=0)


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("share", [0.5, 0.75, 0.99])
def test_skipped_blocks_read_the_kept_tokens_and_all_of_the_text(attention, share):
    route = a_route(share)
    _, seen = through_blocks(a_transformer(text_attention=attention), route=route)
    words = NUM_WORDS if attention == "joint" else 0
    lengths = [given.shape[1] - words for given, _ in seen]
    assert lengths == [NUM_TOKENS, *[NUM_TOKENS - int(share * NUM_TOKENS)] * 2, NUM_TOKENS]


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_a_routed_token_comes_back_to_its_place_as_it_was_and_a_kept_one_changed(attention):
    route = a_route()
    _, seen = through_blocks(a_transformer(text_attention=attention), route=route)
    before, after = seen[0][1], seen[3][0]
    for picture in range(2):
        kept = set(route.kept[picture].tolist())
        for token in range(NUM_TOKENS):
            assert torch.equal(before[picture, token], after[picture, token]) is (token not in kept)
        in_route = seen[2][1][picture]
        assert torch.equal(after[picture, route.kept[picture]], in_route[: len(kept)])
        assert torch.equal(after[picture, NUM_TOKENS:], in_route[len(kept) :])


class Same(nn.Module):
    """A block that does nothing."""

    def forward(self, x_BSD, *_):
        """Return the sequence."""
        return x_BSD


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("blocks", [(1, 3), (0, 2), (2, 4)])
def test_where_skipped_blocks_do_nothing_a_route_changes_nothing(attention, blocks):
    network = a_transformer(text_attention=attention)
    for number in range(*blocks):
        network.blocks[number] = Same()
    whole, _ = through_blocks(network)
    routed, _ = through_blocks(network, route=a_route(start_block=blocks[0], end_block=blocks[1]))
    assert torch.equal(routed, whole)


def test_a_route_that_keeps_every_token_changes_nothing():
    network = a_transformer()
    whole, _ = through_blocks(network)
    assert torch.equal(through_blocks(network, route=a_route(0.0))[0], whole)
    assert not torch.equal(through_blocks(network, route=a_route(0.5))[0], whole)


def test_tokens_are_turned_by_where_they_are_in_the_picture():
    angles, route = rope_angles(4, 4, 16, torch.device("cpu")), a_route()
    x = torch.randn(2, 2, NUM_TOKENS, 16)
    turned = rotate(x, angles)
    for picture, kept in enumerate(route.kept):
        assert torch.equal(rotate(x[:, :, kept], route.angles(angles))[picture], turned[picture, :, kept])


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_a_picture_among_others_is_what_it_is_alone(attention):
    network, route, (x, t, text) = a_transformer(text_attention=attention), a_route(), some_inputs()
    together = network(x, t, text, route=route).sample
    for picture in range(2):
        own = slice(picture, picture + 1)
        alone = Route(start_block=1, end_block=3, kept=route.kept[own])
        torch.testing.assert_close(network(x[own], t[own], text[own], route=alone).sample, together[own])


def test_a_routed_token_is_as_it_was_where_the_first_block_makes_float32_of_bfloat16():
    network, route = a_transformer(), a_route(start_block=0)
    skipped = sorted(set(range(NUM_TOKENS)) - set(route.kept[0].tolist()))
    with torch.autocast("cpu", torch.bfloat16):
        patches, _ = network._patches(some_inputs()[0])
        _, seen = through_blocks(network, route=route)
    after = seen[3][0]
    assert (patches.dtype, after.dtype) == (torch.bfloat16, torch.float32)
    assert torch.equal(patches[0, skipped].float(), after[0, skipped])


def test_the_tokens_of_a_block_are_those_that_it_gives():
    network, (x, t, text) = a_transformer(), some_inputs()
    _, seen = through_blocks(network)
    assert torch.equal(network(x, t, text, hidden_block=2).hidden, seen[2][1][:, :NUM_TOKENS])
    assert network(x, t, text).hidden is None


def test_activations_computed_again_give_a_routed_network_the_same_gradients():
    gradients = []
    for again in (False, True):
        network, (x, t, text) = a_transformer().train(), some_inputs()
        if again:
            network.enable_gradient_checkpointing()
        network(x, t, text, route=a_route()).sample.square().mean().backward()
        gradients.append(network.embed.weight.grad)
    assert gradients[0].abs().sum() > 0
    assert torch.equal(*gradients)
