"""Whether a picture shows what a text says, learned from the pictures and captions of a release and from nothing else.

Two small towers over frozen networks, which must find which caption goes with which picture (as CLIP, Radford et al.
2021). Seconds of training: the frozen networks, one of ImageNet and one of sentences, do most of the work.
"""

# Shapes: N pictures, T texts, D features, W width of a text's vector, B of a batch, E width of what is compared.

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from byline.diffusion.contrastive import MOST_SCALE, contrastive_loss
from byline.evaluation.report import Floats

HIDDEN, WIDTH, DROPOUT = 512, 128, 0.5
STEPS, BATCH, LEARNING_RATE, WEIGHT_DECAY = 600, 256, 1e-3, 1e-2
FIRST_SCALE = 10.0


class Tower(nn.Module):
    """Vectors of one kind, at zero mean and unit spread, to unit vectors that compare with those of the other kind."""

    mean: Tensor
    spread: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("spread", torch.ones(width))
        self.layers = nn.Sequential(
            nn.Dropout(DROPOUT), nn.Linear(width, HIDDEN), nn.GELU(), nn.Dropout(DROPOUT), nn.Linear(HIDDEN, WIDTH)
        )

    def see(self, vectors: Tensor) -> None:
        """Take mean and spread from what is trained on."""
        self.mean.copy_(vectors.mean(0))
        self.spread.copy_(vectors.std(0) + 1e-3)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return `(B, E)`."""
        return normalize(Tensor(self.layers((vectors - self.mean) / self.spread)), dim=1)


class TwoTowers(nn.Module):
    """A tower for pictures and one for texts."""

    def __init__(self, num_features: int, text_width: int) -> None:
        super().__init__()
        self.pictures, self.texts = Tower(num_features), Tower(text_width)
        self.log_scale = nn.Parameter(torch.tensor(FIRST_SCALE).log())

    def similarities(self, features_ND: Floats, texts_TW: Floats) -> Floats:
        """Return the cosine of each picture with each text, `(N, T)`."""
        with torch.inference_mode():
            pictures_NE = self.pictures(torch.from_numpy(features_ND).float())
            texts_TE = self.texts(torch.from_numpy(texts_TW).float())
            cosines_NT: Floats = (pictures_NE.double() @ texts_TE.double().T).numpy()
        return cosines_NT


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """What is trained on."""

    features_ND: Floats  # noqa: N815
    texts_NW: Floats  # noqa: N815
    captions: tuple[str, ...]


def train_towers(pairs: Pairs, *, seed: int) -> TwoTowers:
    """Return towers that tell which caption goes with which picture of a batch. Equal captions are all right.

    Only the arguments and the number of threads decide the weights.
    """
    numbers = {caption: number for number, caption in enumerate(dict.fromkeys(pairs.captions))}
    caption_N = torch.tensor([numbers[caption] for caption in pairs.captions])
    features_ND, texts_NW = (torch.from_numpy(values).float() for values in (pairs.features_ND, pairs.texts_NW))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        towers = TwoTowers(features_ND.shape[1], texts_NW.shape[1])
        towers.pictures.see(features_ND)
        towers.texts.see(texts_NW)
        optimizer = torch.optim.AdamW(towers.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
        for _ in range(STEPS):
            rows = torch.randperm(len(features_ND))[:BATCH]
            loss = _loss(towers, features_ND[rows], texts_NW[rows], caption_N[rows])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
    return towers.eval().requires_grad_(False)


def _loss(towers: TwoTowers, features_BD: Tensor, texts_BW: Tensor, caption_B: Tensor) -> Tensor:
    scale = towers.log_scale.exp().clamp(max=MOST_SCALE)
    logits_BB = scale * towers.pictures(features_BD) @ towers.texts(texts_BW).T
    return contrastive_loss(logits_BB, logits_BB.T, caption_B[:, None] == caption_B)
