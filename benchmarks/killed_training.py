"""Whether a training run that is killed again and again ends in the same bytes.

python -m benchmarks.killed_training [KILLS]
"""

import sys
import tempfile
from pathlib import Path

from benchmarks.side_by_side import write_section
from harness.killed_training import kill_and_compare
from harness.run_configs import write_toml
from tests.training.builders import a_diffusion_run, a_release, an_autoencoder

NUM_KILLS, IMAGES = 20, 2_000


def _main(num_kills: int) -> str:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        release, autoencoder = a_release(folder / "corpus"), an_autoencoder(folder / "vae")
        settings = {"images": IMAGES, "machine": {"log_every_images": 4, "save_every_images": 20}}
        configs = [
            write_toml(folder / f"{run}.toml", a_diffusion_run(release, folder / run, autoencoder, **settings))
            for run in ("whole", "killed")
        ]
        killed = kill_and_compare(*configs, num_kills=num_kills)
    same = {True: "the same", False: "NOT THE SAME"}
    return (
        f"A run of {IMAGES:,} images, saved every 20 and killed -9 at random moments, three of four after the "
        "first step, then run to its end.\n\n"
        "| kills | last checkpoint, every byte | log | files left over |\n|---:|---|---|---|\n"
        f"| {killed.kills} | {same[killed.checkpoints_equal]} | {same[killed.losses_equal]} | "
        f"{', '.join(killed.left_over) or 'none'} |\n\n"
        f"Images of the newest checkpoint after each kill: {', '.join(map(str, killed.seen))}."
    )


if __name__ == "__main__":
    num_kills = int(sys.argv[1]) if len(sys.argv) > 1 else NUM_KILLS
    command = f"python -m benchmarks.killed_training {' '.join(sys.argv[1:])}".strip()
    write_section("Killed while it trains", command, _main(num_kills))
