"""The loss of training on held-out pictures, with the averaged weights, by noise level."""

import torch
import torch.distributed as dist
from torch import nn

from byline.training.held_out import HeldOut
from byline.training.log import ValidationEntry
from byline.training.ranks import Ranks


def validate(
    network: nn.Module, held_out: HeldOut, ranks: Ranks, *, images_seen: int, images_per_pass: int
) -> ValidationEntry:
    """Measure a network on what is held out, divided over ranks, all of which must call it."""
    sums = [_loss_sum(network, held_out, level, ranks, images_per_pass) for level in range(held_out.levels)]
    total = torch.tensor(sums, dtype=torch.float64, device=ranks.device)
    dist.all_reduce(total)
    levels = [loss / held_out.num_images for loss in total.tolist()]
    return ValidationEntry(
        images_seen=images_seen,
        of=held_out.of,
        num_images=held_out.num_images,
        loss=sum(levels) / len(levels),
        levels=tuple(levels),
    )


def _loss_sum(network: nn.Module, held_out: HeldOut, level: int, ranks: Ranks, images_per_pass: int) -> float:
    """Return the sum of the losses of this rank's pictures at a level."""
    total = 0.0
    for inputs in held_out.passes(level, images_per_pass):
        with torch.no_grad():
            loss = network(*(tensor.to(ranks.device) for tensor in inputs))
        total += float(loss) * len(inputs[0])
    return total
