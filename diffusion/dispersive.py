"""The dispersive loss: what a network holds of different pictures shall differ (Wang & He 2025, arXiv 2506.09027).

    L = log mean_ij exp(-D(z_i, z_j) / temperature)        D the squared l2 distance, over the numbers of z

It is a contrastive loss (InfoNCE) without positive pairs, so it needs no other view of a picture, no teacher and no
weights. The mean is over all pairs, those of a picture with itself too, which is the authors' code; there the weight is
0.25 and the temperature 1. The loss is 0 where all pictures are alike, and at least `-log B` for B pictures.
"""

# Shapes: B pictures that are compared, F numbers of a picture: its tokens, end to end.

from torch import Tensor


def dispersive_loss(z_BF: Tensor, temperature: float) -> Tensor:
    """Return the loss of these pictures. Give it float32: distances are differences of large numbers."""
    centered_BF = z_BF - z_BF.mean(0)  # distances stay, and the numbers that they are differences of are small
    products_BB = centered_BF @ centered_BF.T
    squares_B = products_BB.diagonal()
    distance_BB = (squares_B[:, None] + squares_B - 2 * products_BB) / z_BF.shape[1]
    return (-distance_BB / temperature).exp().mean().log()
