"""The dispersive loss beside its definition, written as two loops."""

from math import exp, log

import pytest
import torch

from byline.diffusion.dispersive import dispersive_loss


def some_vectors(size=5, width=7, away=0.0):
    return torch.randn(size, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + away


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_it_is_the_log_of_the_mean_over_all_pairs(temperature):
    z = some_vectors()
    pairs = [
        exp(-sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) / 7 / temperature)
        for one in z.tolist()
        for other in z.tolist()
    ]
    assert float(dispersive_loss(z, temperature)) == pytest.approx(log(sum(pairs) / 25), rel=1e-12)


def test_its_gradient_is_that_of_finite_differences():
    assert torch.autograd.gradcheck(lambda z: dispersive_loss(z, 0.5), some_vectors().requires_grad_())


def test_it_is_zero_where_all_are_alike_and_least_where_all_are_far_apart():
    assert float(dispersive_loss(some_vectors(1).expand(5, -1), 1.0)) == pytest.approx(0, abs=1e-12)
    assert float(dispersive_loss(1e3 * torch.eye(4, dtype=torch.float64), 1.0)) == pytest.approx(-log(4), rel=1e-12)


def test_numbers_far_from_zero_lose_nothing_in_float32():
    far = some_vectors(away=1000.0).float()
    exact = float(dispersive_loss(far.double(), 1.0))
    assert float(dispersive_loss(far, 1.0)) == pytest.approx(exact, rel=1e-4)
