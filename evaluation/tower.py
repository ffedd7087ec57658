"""What a feature network is: a module, and how the pictures were prepared that it was trained on."""

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True, kw_only=True)
class Tower:
    """Takes `(B, 3, side_px, side_px)` in `[0, 1]`, less `mean` and over `std`, and gives `(B, D)`."""

    network: nn.Module
    side_px: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    is_clip: bool = False
