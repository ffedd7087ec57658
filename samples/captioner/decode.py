"""Compare numbers of beams, to choose one: `python -m samples.captioner.decode MODEL`.

They are compared on drawings of concepts that were set aside for this: not learned from, and not those held out.
"""

import argparse
from pathlib import Path

from byline.evaluation.captions import MEASURES, score
from samples.captioner.measure import captions_of, drawings_of_samples
from samples.captioner.split import VALIDATION

_NUM_BEAMS = (1, 2, 5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="the captioner's folder")
    model = parser.parse_args().model
    names = set((model / VALIDATION).read_text(encoding="utf-8").split())
    drawings = drawings_of_samples().where(lambda row: row.name in names)
    print(f"{len(drawings.rows):,} drawings of {len(set(drawings.clusters)):,} concepts\n")
    print("| beams | word F1 | CIDEr | exact noun | different captions |\n|---:|---:|---:|---:|---:|")
    for num_beams in _NUM_BEAMS:
        captions = captions_of(model, drawings.pixels_n4hw, num_beams=num_beams)
        scores = score(captions, drawings.titles)
        cells = " | ".join(f"{getattr(scores, measure).mean():.3f}" for measure in MEASURES)
        print(f"| {num_beams} | {cells} | {len(set(captions))} |", flush=True)


if __name__ == "__main__":
    main()
