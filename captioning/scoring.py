"""How surely a model wrote what it wrote."""

# Shapes: N texts, T tokens of the longest, V words of the vocabulary, R texts that were followed at each step.

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

DIGITS = 3
"""Log-probabilities are kept to a thousandth: what is finer depends on the batch."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """The tokens of a text, its end among them, and the mean of their log-probabilities."""

    tokens: list[int]
    mean_log_prob: float


def scored(out: Any, tokens_NT: Any, ends: Collection[int]) -> list[Scored]:
    """Return the texts that `generate` gave, as `out` with its logits; `tokens_NT` is what was written of each.

    The log-probabilities are those of the model as it is, whatever a search or a sampler made of them.
    """
    import torch

    beams_NT = getattr(out, "beam_indices", None)
    steps, itself = [], torch.arange(len(tokens_NT), device=tokens_NT.device)
    for step, logits_RV in zip(range(tokens_NT.shape[1]), out.logits, strict=False):
        rows = itself if beams_NT is None else beams_NT[:, step].clamp(min=0)
        chosen = logits_RV[rows, tokens_NT[:, step]].float()
        steps.append(chosen - torch.logsumexp(logits_RV.float(), dim=-1)[rows])
    log_probs_NT = torch.stack(steps, dim=1).tolist()
    texts = [row[: _length(row, ends)] for row in tokens_NT.tolist()]
    return [
        Scored(tokens=text, mean_log_prob=round(sum(log_probs[: len(text)]) / len(text), DIGITS))
        for text, log_probs in zip(texts, log_probs_NT, strict=True)
    ]


def _length(tokens: list[int], ends: Collection[int]) -> int:
    """Return how many tokens there are up to the end, whatever fills the row behind it."""
    return next((number for number, token in enumerate(tokens, 1) if token in ends), len(tokens))
