"""How many edited copies the embedding finds, and how many strangers it takes for copies, beside pHash.

`python -m benchmarks.embedding_recall MODEL OTHERS [--sheet FALSE.png]`: `MODEL` is a folder of the embedding, `OTHERS`
one that `benchmarks.other_photographs` has filled. Every other picture decides the threshold, the rest is measured.
"""

import argparse
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.false_pairs import write_sheet
from benchmarks.side_by_side import write_section
from byline.dedup.embedding.corpus import photographs
from byline.dedup.embedding.embedder import PLAIN_BELOW, Embedder, EmbeddingConfig, is_plain
from byline.dedup.hashes import perceptual_hashes
from byline.dedup.quality import FLAT_FROM, measure_quality
from harness.edits import EDITS, Draw

SAMPLES = Path(__file__).parent.parent / "samples"
LONGER_SIDE_PX, SAME_BITS = 256, 70
PRECISION, SHOWN = 0.999, (0.65, 0.70, 0.75, 0.80)
TITLE = "Recall of the copy-detection embedding"


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Pictures of different things, none of them flat: those are told apart by their pixels alone."""

    names: list[str]
    images: list[Image.Image]

    def half(self, odd: int) -> "Pictures":
        return Pictures(names=self.names[odd::2], images=self.images[odd::2])

    def where(self, *, plain: bool) -> "Pictures":
        """Return those that show hardly anything, or the others."""
        kept = [plain is is_plain(measure_quality(image).contrast) for image in self.images]
        return Pictures(names=list(compress(self.names, kept)), images=list(compress(self.images, kept)))


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Cosines of edited pictures (rows) with all originals (columns); NaN where another picture was pasted in."""

    cosines: dict[str, NDArray[np.float32]]
    bits: dict[str, NDArray[np.int64]]
    """Distances of the 256-bit pHash, in the same places."""
    originals: NDArray[np.float32]
    """Cosines of the pairs of originals."""

    def own(self, edit: str) -> NDArray[np.float32]:
        return np.asarray(np.diagonal(self.cosines[edit]))

    def strangers(self) -> NDArray[np.float32]:
        values = [c[~np.eye(len(c), dtype=bool) & ~np.isnan(c)] for c in self.cosines.values()]
        return np.concatenate([*values, self.originals])


def load(paths: Sequence[Path]) -> Pictures:
    """Shrink to 256 px, as the sample photographs are.

    Leaves out flat pictures, second ones of the same scene, and copies of what was trained on: the Great Pyramid
    is in the corpus under two names.
    """
    names, images = [], []
    hashes = _bits([_opened(path) for path in photographs(SAMPLES / "photographs", held_out=False).paths])
    for path in paths:
        image = _opened(path)
        bits = _bits([image])
        if measure_quality(image).flatness < FLAT_FROM and not (_distances(bits, hashes) <= SAME_BITS).any():
            names.append(path.stem)
            images.append(image)
            hashes = np.concatenate([hashes, bits])
    return Pictures(names=names, images=images)


def _opened(path: Path) -> Image.Image:
    image = Image.open(path).convert("RGB")
    image.thumbnail((LONGER_SIDE_PX, LONGER_SIDE_PX))
    return image


def score(pictures: Pictures, embedder: Embedder) -> Scores:
    originals = embedder.embed(pictures.images).astype(np.float32)
    hashes = _bits(pictures.images)
    stamps = sorted((SAMPLES / "drawings").glob("*.png"))
    cosines, bits = {}, {}
    for name, edit in EDITS.items():
        edited = [edit(_draw(pictures, index, name, stamps)) for index in range(len(originals))]
        cosines[name] = embedder.embed(edited).astype(np.float32) @ originals.T
        bits[name] = _distances(_bits(edited), hashes)
        if "collage" in name:
            for index in range(len(originals)):
                cosines[name][index, _other(index, len(originals))] = np.nan
    pairs = np.triu_indices(len(originals), 1)
    return Scores(cosines=cosines, bits=bits, originals=(originals @ originals.T)[pairs])


def threshold_of(scores: Scores) -> float:
    """Return the lowest cosine, in hundredths, from which on at least 999 of 1000 pairs found are copies."""
    own = np.concatenate([scores.own(edit) for edit in EDITS])
    strangers = scores.strangers()
    grid = np.arange(0.30, 1.0, 0.01)
    precise = [(own >= t).sum() * (1 - PRECISION) >= (strangers >= t).sum() * PRECISION for t in grid]
    wrong = np.flatnonzero(~np.asarray(precise))
    return round(float(grid[min(len(grid) - 1, wrong[-1] + 1 if len(wrong) else 0)]), 2)


def recall_table(scores: Scores) -> str:
    heads = [*(f"cosine {cosine:.2f}" for cosine in SHOWN), "pHash256, 12 bits", "31 bits"]
    lines = [f"| edit | {' | '.join(heads)} |", "|---|" + "---:|" * len(heads)]
    for edit, bits in scores.bits.items():
        masks = [scores.own(edit) >= cosine for cosine in SHOWN]
        masks += [np.diagonal(bits) <= radius for radius in (12, 31)]
        lines.append(f"| {edit} | {' | '.join(f'{each.mean():.3f}' for each in masks)} |")
    return "\n".join(lines)


def threshold_table(scores: Scores, plain: Scores, cutouts: Scores) -> str:
    lines = [
        "| cosine | crops of 20 % of the area | all edits | precision | strangers | plain strangers | cut-outs |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    own, strangers = np.concatenate([scores.own(edit) for edit in EDITS]), scores.strangers()
    crops = scores.own("crop: 20 % of the area cut away")
    for cosine in np.arange(0.5, 0.96, 0.05):
        num_found, false = int((own >= cosine).sum()), int((strangers >= cosine).sum())
        rates = " | ".join(_rate(each, cosine) for each in (strangers, plain.strangers(), cutouts.strangers()))
        lines.append(
            f"| {cosine:.2f} | {(crops >= cosine).mean():.3f} | {num_found / len(own):.3f} "
            f"| {num_found / max(1, num_found + false):.4f} | {rates} |"
        )
    return "\n".join(lines)


def _rate(strangers: NDArray[np.float32], cosine: float) -> str:
    return f"{1e6 * (strangers >= cosine).mean():,.0f}"


def _draw(pictures: Pictures, index: int, edit: str, stamps: Sequence[Path]) -> Draw:
    random = np.random.default_rng([zlib.crc32(edit.encode()), zlib.crc32(pictures.names[index].encode())])
    return Draw(
        image=pictures.images[index],
        random=random,
        emoji=Image.open(stamps[int(random.integers(len(stamps)))]),
        other=pictures.images[_other(index, len(pictures.images))],
    )


def _other(index: int, count: int) -> int:
    return (index + 1 + index % (count - 1)) % count


def _bits(images: Sequence[Image.Image]) -> NDArray[np.bool_]:
    return np.stack([np.unpackbits(np.frombuffer(perceptual_hashes(image)[1], np.uint8)) for image in images]) > 0


def _distances(left: NDArray[np.bool_], right: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.asarray((left[:, None] != right[None]).sum(axis=2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("others", type=Path)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    embedder = Embedder(EmbeddingConfig(model=str(options.model)))
    held_out = photographs(SAMPLES / "photographs", held_out=True).paths
    every = load([*held_out, *sorted((options.others / "photographs").glob("*.jpg"))])
    photos, plain = every.where(plain=False), every.where(plain=True)
    cutouts = load(sorted((options.others / "cutouts").glob("*.jpg"))).where(plain=False)
    chosen, chosen_cutouts = (threshold_of(score(part.half(0), embedder)) for part in (photos, cutouts))
    measured, unsure, stress = (score(part, embedder) for part in (photos.half(1), plain, cutouts.half(1)))
    start = time.perf_counter()
    embedder.embed(photos.images)
    embed_ms = (time.perf_counter() - start) / len(photos.images) * 1e3
    if options.sheet:
        write_sheet(every.images, embedder.embed(every.images), options.sheet)
    num_measured, num_deciding, num_plain = len(photos.half(1).images), len(photos.half(0).images), len(plain.images)
    num_plain_held_out = len({path.stem for path in held_out} & set(plain.names))
    text = f"""\
{num_measured} photographs and wallpapers that training did not see, {len(measured.strangers()):,} pairs of strangers.
On {num_deciding} others the lowest cosine with a precision of {PRECISION} is {chosen:.2f};
on half of the cut-outs it is {chosen_cutouts:.2f}.
{embed_ms:.0f} ms a picture of 256 px, one thread. pHash is that of the picture as it is, in no other orientation.

{recall_table(measured)}

By threshold. Precision is the share of copies among the pairs found, over all edits; strangers are those found of a
million pairs. Plain pictures, of a contrast under {PLAIN_BELOW}, are left out above: soft gradients, sky, paper.
There are {num_plain} of them, {num_plain_held_out} among the {len(held_out)} photographs held out.
Cut-outs are things on white, a hard case: most of their area is equal.

{threshold_table(measured, unsure, stress)}"""
    write_section(TITLE, f"python -m benchmarks.embedding_recall {options.model} OTHERS", text)


if __name__ == "__main__":
    main()
