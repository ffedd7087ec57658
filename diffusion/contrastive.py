"""The loss of CLIP (Radford et al. 2021), for texts of which several of a batch may be equal."""

# Shapes: B pairs of which the loss is wanted, N pairs that are compared with.

import torch
from torch import Tensor

MOST_SCALE = 100.0
"""The most that cosines are multiplied with, as in the paper: more makes training unstable."""


def contrastive_loss(to_texts_BN: Tensor, to_pictures_BN: Tensor, same_BN: Tensor) -> Tensor:
    """Return the mean cross-entropy of both directions: which text is a picture's, and which picture is a text's.

    The logits are of each pair's picture to all texts, and of its text to all pictures. `same_BN` tells which texts are
    equal: all of them are right, and share what is wanted.
    """
    wanted_BN = same_BN.float()
    wanted_BN = wanted_BN / wanted_BN.sum(1, keepdim=True)
    ways = [-(wanted_BN * logits_BN.log_softmax(1)).sum(1).mean() for logits_BN in (to_texts_BN, to_pictures_BN)]
    return torch.stack(ways).mean()
