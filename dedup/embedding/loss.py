"""The loss of the copy-detection embedding: SSCD's (Pizzi et al. 2022), on one machine."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

# Shapes: B scenes, D embedding; two views of each scene, so 2 B vectors.


def contrastive_loss(first_BD: Tensor, second_BD: Tensor, *, temperature: float, entropy_weight: float) -> Tensor:
    """Return `L = L_InfoNCE + weight * L_KoLeo` over unit vectors of two views of each scene.

    `L_InfoNCE = -mean_i log( exp(s_ij / t) / sum_{k != i} exp(s_ik / t) )`, with `j` the other view of `i` (eq. 1, 2).
    `L_KoLeo = -mean_i log min_{k != i, j} |z_i - z_k|` (eq. 3) pushes each vector from its nearest stranger: unrelated
    pictures spread evenly, so that one threshold serves all kinds of picture.
    """
    vectors = torch.cat([first_BD, second_BD]).float()
    count = len(first_BD)
    similar = vectors @ vectors.T
    self_mask = torch.eye(2 * count, dtype=torch.bool)
    other = torch.arange(2 * count).roll(count)
    info_nce = cross_entropy(similar.masked_fill(self_mask, -1e4) / temperature, other)
    stranger = similar.masked_fill(self_mask, -2.0).scatter(1, other[:, None], -2.0).amax(dim=1)
    koleo = -(2 - 2 * stranger).clamp(min=1e-6).sqrt().log().mean()
    return info_nce + entropy_weight * koleo
