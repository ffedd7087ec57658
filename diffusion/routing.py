"""TREAD: while a transformer trains, some tokens of each picture skip some of its blocks (Krause et al. 2025).

    x_K = block_(e-1)(... block_s(x_K))      the tokens K that are kept see each other and the text only
    x_R = x_R                                the tokens R that are routed pass blocks s to e - 1 as they came

Nothing is dropped: after the last block that they skip tokens are back where they were, and all of them count in the
loss. R is a random part of the picture's tokens, `floor(share N)` of N, other ones each time that the picture is seen.
It has no weights, and drawing uses every token in every block (arXiv 2501.04765).

Tokens keep their rotary angles: they are turned by where they are in the picture, and not in the sequence.
"""

# Shapes: B batch, N tokens of a picture, M of them kept, L of text, S all of a sequence, D width, A angles of a head.

from dataclasses import dataclass

import torch
from torch import Tensor


def num_kept(num_tokens: int, share: float) -> int:
    """Return how many tokens skip nothing when this share, in `[0, 1)`, of so many is routed: at least one.

    >>> num_kept(64, 0.5), num_kept(9, 0.5), num_kept(1, 0.9)
    (32, 5, 1)
    """
    return num_tokens - int(share * num_tokens)


def kept_tokens(uniform_BN: Tensor, share: float) -> Tensor:
    """Return `(B, M)`, the numbers of the tokens that skip nothing, in their order; a number in `[0, 1)` each decides.

    Only a picture's own numbers decide, so neither ranks nor passes change what it skips.
    """
    order_BN = uniform_BN.argsort(dim=1, stable=True)
    return order_BN[:, : num_kept(uniform_BN.shape[1], share)].sort(dim=1).values


@dataclass(frozen=True, kw_only=True)
class Route:
    """Which tokens are kept between which blocks."""

    start_block: int
    """The first block that the others skip."""
    end_block: int
    """The block before which they are back; the number of blocks when they are back after the last."""
    kept: Tensor
    """`(B, M)`, the numbers of the tokens that are kept, each once, in their order."""

    def leave(self, x_BSD: Tensor, num_tokens: int) -> Tensor:
        """Return the kept tokens of the first `num_tokens`, a picture's, and all of the text that follows them."""
        return x_BSD.gather(1, self._places(x_BSD, num_tokens))

    def come_back(self, kept_BSD: Tensor, x_BSD: Tensor, num_tokens: int) -> Tensor:
        """Return the sequence that `leave` was given, with what has become of the kept tokens in their places."""
        return x_BSD.to(kept_BSD.dtype).scatter(1, self._places(x_BSD, num_tokens), kept_BSD)

    def angles(self, angles_NA: Tensor) -> Tensor:
        """Return the angles of the kept tokens, `(B, 1, M, A)`, for every head alike."""
        return angles_NA[self.kept][:, None]

    def _places(self, x_BSD: Tensor, num_tokens: int) -> Tensor:
        size, length, width = x_BSD.shape
        text_BL = torch.arange(num_tokens, length, device=x_BSD.device).expand(size, -1)
        return torch.cat([self.kept, text_BL], 1)[..., None].expand(-1, -1, width)
