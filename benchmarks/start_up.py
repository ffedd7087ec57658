"""How long until `byline train` trains: python -m benchmarks.start_up RELEASE [ROUNDS]

From the start of the command to its first line, and to the first line of its log, which is written after the first
step, on one rank and on two; what is encoded was encoded before, as whenever a run goes on. Beside it a Python that
imports what diffusers' text-to-image example imports, and does nothing else. In turns; medians, least to most.
"""

import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.side_by_side import write_section
from harness.recipes import config_of, recipes
from harness.rows import byline
from harness.run_configs import write_toml

IMAGES, BATCH = 640, 32
NAP_S = 0.005
EXAMPLE = """
import accelerate, accelerate.state, accelerate.utils, datasets, diffusers, numpy, torch, transformers
import torch.nn.functional, torch.utils.checkpoint
from diffusers import AutoencoderKL, DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel, compute_dream_and_update_latents, compute_snr
from diffusers.utils import check_min_version, deprecate, is_wandb_available, make_image_grid
from transformers import CLIPTextModel, CLIPTokenizer
"""
"""The imports of examples/text_to_image/train_text_to_image.py but huggingface_hub's, packaging's, torchvision's and
tqdm's, of which torchvision is not installed here."""


def example_s() -> float:
    """Return the seconds that the example's imports take."""
    began_s = time.perf_counter()
    subprocess.run([sys.executable, "-c", EXAMPLE], check=True, capture_output=True)
    return time.perf_counter() - began_s


def start_s(release: str, folder: Path, ranks: int) -> tuple[float, float]:
    """Return the seconds to the first line, and to the first step's."""
    run = folder / f"run-{ranks}"
    config = config_of(recipes()["demo"], release, run, seed=0, images=IMAGES, num_ranks=ranks)
    machine = config.machine.model_copy(update={"log_every_images": BATCH, "save_every_images": IMAGES})
    path = write_toml(folder / f"{ranks}.toml", config.model_copy(update={"machine": machine}))
    if not run.exists():
        byline("train", str(path))
    shutil.rmtree(run / "checkpoints", ignore_errors=True)
    (run / "log.jsonl").unlink()
    began_s = time.perf_counter()
    command = [sys.executable, "-m", "byline.cli.main", "train", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.readline()
        line_s, log = time.perf_counter() - began_s, run / "log.jsonl"
        while process.poll() is None and not (log.exists() and log.stat().st_size):
            time.sleep(NAP_S)
        step_s = time.perf_counter() - began_s
        process.terminate()
    assert log.exists()
    return line_s, step_s


def main(release: str, rounds: int) -> str:
    """Return a table."""
    times: dict[str, list[float]] = {}
    with TemporaryDirectory() as folder:
        for _ in range(rounds):
            for ranks in (1, 2):
                line_s, step_s = start_s(release, Path(folder), ranks)
                name = "one rank" if ranks == 1 else f"{ranks} ranks"
                times.setdefault(f"byline train, {name}: its first line", []).append(line_s)
                times.setdefault(f"byline train, {name}: its first step is done", []).append(step_s)
            times.setdefault("what diffusers' example imports, and nothing else", []).append(example_s())
    rows = [f"| {name} | {median(each):.1f} ({min(each):.1f} to {max(each):.1f}) |" for name, each in times.items()]
    return "\n".join(["| | seconds |", "|---|---:|", *rows])


if __name__ == "__main__":
    given, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    about = (__doc__ or "").split("\n\n", 1)[1].strip()
    text = f"{about}\n\n{main(str(Path(given).resolve()), count)}"
    write_section("Until it trains", f"python -m benchmarks.start_up RELEASE {count}", text)
