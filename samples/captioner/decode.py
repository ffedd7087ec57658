"""Compare ways to decode, to choose one: `python -m samples.captioner.decode MODEL`.

They are compared on drawings of concepts that were set aside for this: not learned from, and not those held out.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

from byline.evaluation.captions import MEASURES, score
from samples.captioner.measure import captions_of, drawings_of_samples
from samples.captioner.split import VALIDATION

_WAYS = ((1, 0.0), (2, 0.0), (5, -0.5), (5, 0.0), (5, 0.5), (5, 1.0))
"""Beams, and the power of its length that the log-probability of a caption is divided by."""
_GENERATION = "generation_config.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="the captioner's folder")
    model = parser.parse_args().model
    names = set((model / VALIDATION).read_text(encoding="utf-8").split())
    drawings = drawings_of_samples().where(lambda row: row.name in names)
    print(f"{len(drawings.rows):,} drawings of {len(set(drawings.clusters)):,} concepts\n")
    print("| beams | length penalty | word F1 | CIDEr | exact noun | different captions |")
    print("|---:|---:|---:|---:|---:|---:|")
    for num_beams, length_penalty in _WAYS:
        with tempfile.TemporaryDirectory() as folder:
            decoding = with_length_penalty(model, Path(folder) / "model", length_penalty)
            captions = captions_of(decoding, drawings.pixels_n4hw, num_beams=num_beams)
        scores = score(captions, drawings.titles)
        cells = " | ".join(f"{getattr(scores, measure).mean():.3f}" for measure in MEASURES)
        print(f"| {num_beams} | {length_penalty} | {cells} | {len(set(captions))} |", flush=True)


def with_length_penalty(model: Path, out: Path, length_penalty: float) -> Path:
    """Return a copy of a model's folder that decodes with this length penalty."""
    shutil.copytree(model, out)
    config = json.loads((out / _GENERATION).read_text(encoding="utf-8"))
    (out / _GENERATION).write_text(json.dumps({**config, "length_penalty": length_penalty}), encoding="utf-8")
    return out


if __name__ == "__main__":
    main()
