"""Measure tiny-blip2 on drawings that it was not trained on: `python -m samples.captioner.measure MODEL FEATURES`.

FEATURES is a folder that keeps the features of drawings. Needs `pip install 'byline[caption,evaluation]'`.
The captioner is compared with the title of the nearest drawing of samples/ that was not held out, and of a random one.
With `--work WORK`, which `samples.captioner.data` made, it is also measured on the set that nothing was learned from.
"""

# Shapes: N pictures, four channels, H and W height and width in pixels, D features.

import argparse
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from byline.captioning import CaptionRequest
from byline.captioning.generating import Blip2Config, GeneratingCaptioner
from byline.evaluation.captions import MEASURES, CaptionScores, grouped_interval, score
from byline.evaluation.features import load_features
from byline.evaluation.report import Floats
from samples.captioner.data import Row, read, sample_rows, squared
from samples.captioner.split import (
    HELD_OUT,
    HELD_OUT_SET,
    clusters,
    is_held_out,
    on_white,
    pieces_of,
    shows_something,
)

_SEED, _CHUNK, _SMALL_PX = 0, 64, 16


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Pictures with their titles, and what each is of."""

    rows: list[Row]
    clusters: list[str]
    pixels_n4hw: npt.NDArray[np.uint8]

    def where(self, which: Callable[[Row], bool]) -> "Pictures":
        chosen = [i for i, row in enumerate(self.rows) if which(row)]
        return Pictures(
            rows=[self.rows[i] for i in chosen],
            clusters=[self.clusters[i] for i in chosen],
            pixels_n4hw=self.pixels_n4hw[chosen],
        )

    @property
    def titles(self) -> list[str]:
        return [row.title for row in self.rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="the captioner's folder")
    parser.add_argument("features", type=Path, help="folder that keeps features")
    parser.add_argument("--work", type=Path, help="folder with the pictures of all sets")
    options = parser.parse_args()
    names = set((options.model / HELD_OUT).read_text(encoding="utf-8").split())
    drawings = drawings_of_samples()
    others = drawings.where(lambda row: row.name not in names)
    asked = {"concepts that were held out": drawings.where(lambda row: row.name in names)}
    if options.work:
        asked |= another_set(options.work)
    print(f"nearest and random are of the {len(others.rows):,} drawings of samples/ that were not held out")
    for name, pictures in asked.items():
        print(f"\n{name}: {len(pictures.rows):,} drawings of {len(set(pictures.clusters)):,} concepts\n")
        print("\n".join(table(compared(options.features, options.model, pictures, others), pictures)))
    captions = captions_of(options.model, others.pixels_n4hw)
    f1 = score(captions, others.titles).word_f1.mean()
    print(f"\n{len(set(captions)):,} different captions of those not held out, of word F1 {f1:.3f} with their titles")


def another_set(work: Path) -> dict[str, Pictures]:
    """Return the drawings of the set that nothing was learned from, by whether their concepts were held out."""
    rows, pixels_n4hw = read(work)
    cluster_of = clusters(rows, pixels_n4hw)
    shows = shows_something(pixels_n4hw)
    asked: dict[str, list[int]] = {"not held out": [], "held out": []}
    for i, row in enumerate(rows):
        if row.of_set == HELD_OUT_SET and shows[i] and pieces_of(row.title):
            asked["held out" if is_held_out(cluster_of[i]) else "not held out"].append(i)
    return {
        f"{HELD_OUT_SET}, concepts that were {side}": Pictures(
            rows=[rows[i] for i in chosen], clusters=[cluster_of[i] for i in chosen], pixels_n4hw=pixels_n4hw[chosen]
        )
        for side, chosen in asked.items()
    }


def drawings_of_samples() -> Pictures:
    """Return the drawings of samples/ that have words in their titles."""
    pairs = [(row, file) for row, file in sample_rows() if row.of_set != "photographs" and pieces_of(row.title)]
    pixels_n4hw = np.stack([squared(Image.open(file)) for _, file in pairs])
    rows = [row for row, _ in pairs]
    return Pictures(rows=rows, clusters=clusters(rows, pixels_n4hw), pixels_n4hw=pixels_n4hw)


def compared(features: Path, model: Path, asked: Pictures, others: Pictures) -> dict[str, list[str]]:
    """Return the captions of pictures by each way to have some."""
    titles = others.titles
    random = np.random.default_rng(_SEED)
    near = nearest(features_of(features, asked), features_of(features, others))
    near_by_pixels = nearest(_small(asked.pixels_n4hw), _small(others.pixels_n4hw))
    return {
        "captioner": captions_of(model, asked.pixels_n4hw),
        "nearest by EfficientNet-Lite0": [titles[i] for i in near],
        "nearest by pixels": [titles[i] for i in near_by_pixels],
        "random": [titles[i] for i in random.integers(0, len(titles), len(asked.rows))],
    }


def table(captions: dict[str, list[str]], asked: Pictures) -> list[str]:
    """Return the lines of a table: means, 95 % intervals over concepts; then the captioner less each other."""
    scored = {name: score(texts, asked.titles) for name, texts in captions.items()}
    own = scored["captioner"]
    lines = ["| captions | word F1 | CIDEr | exact noun |", "|---|---:|---:|---:|"]
    for name, scores in scored.items():
        lines.append(f"| {name} | " + " | ".join(_cells(scores, asked.clusters)) + " |")
    for name, scores in list(scored.items())[1:]:
        less = CaptionScores(**{measure: getattr(own, measure) - getattr(scores, measure) for measure in MEASURES})
        lines.append(f"| captioner less {name} | " + " | ".join(_cells(less, asked.clusters)) + " |")
    return lines


def captions_of(model: Path, pixels_n4hw: npt.NDArray[np.uint8], *, num_beams: int = 5) -> list[str]:
    """Return captions by the captioner of a build, of pictures as PNG."""
    captioner = GeneratingCaptioner(
        Blip2Config(captioner="blip2", model=str(model), num_beams=num_beams, max_new_tokens=12)
    )
    requests = [CaptionRequest(sha256=str(i), image=_png(pixels)) for i, pixels in enumerate(pixels_n4hw)]
    return captioner.caption(requests)


def features_of(folder: Path, pictures: Pictures) -> Floats:
    """Return EfficientNet-Lite0's features at length 1; those computed before are read from `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [i for i, row in enumerate(pictures.rows) if not (folder / f"{row.name}.npy").exists()]
    network = load_features() if missing else None
    for start in range(0, len(missing), _CHUNK):
        chosen = missing[start : start + _CHUNK]
        assert network is not None
        for i, features_D in zip(chosen, network.of(on_white(pictures.pixels_n4hw[chosen])), strict=True):
            np.save(folder / f"{pictures.rows[i].name}.npy", features_D.astype(np.float32))
    features_ND: Floats = np.stack([np.load(folder / f"{row.name}.npy") for row in pictures.rows]).astype(np.float64)
    features_ND /= np.linalg.norm(features_ND, axis=1, keepdims=True)
    return features_ND


def nearest(of_ND: Floats, among_MD: Floats) -> npt.NDArray[np.intp]:
    """Return for each row the index of the nearest other one, by Euclidean distance."""
    squares_NM = (among_MD**2).sum(1)[None] - 2 * of_ND @ among_MD.T
    indices_N: npt.NDArray[np.intp] = squares_NM.argmin(1)
    return indices_N


def _cells(scores: CaptionScores, groups: Sequence[str]) -> list[str]:
    cells = []
    for measure in MEASURES:
        values: Floats = getattr(scores, measure)
        low, high = grouped_interval(values, groups, seed=_SEED)
        cells.append(f"{values.mean():.3f} ({low:.3f} to {high:.3f})")
    return cells


def _small(pixels_N4HW: npt.NDArray[np.uint8]) -> Floats:
    shown = on_white(pixels_N4HW)
    n, channels, side, _ = shown.shape
    step = side // _SMALL_PX
    small: Floats = shown.reshape(n, channels, _SMALL_PX, step, _SMALL_PX, step).mean((3, 5)).reshape(n, -1) / 255
    return small


def _png(pixels_4HW: npt.NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels_4HW.transpose(1, 2, 0)), "RGBA").save(out, "PNG")
    return out.getvalue()


if __name__ == "__main__":
    main()
