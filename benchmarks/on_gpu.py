"""Steps of real recipes on the accelerators of this machine: python -m benchmarks.on_gpu (scripts/on-gpu)

Each case is one of the configs that come with byline, in another precision, ZeRO stage or kernel: as many ranks as the
machine has GPUs take real steps (DeepSpeed, optimizer, average) on made-up inputs of the sizes that the config has.
Beside images per second and memory stands what `byline train --dry-run` expects. Without a GPU one small case runs on
the CPU, so that the command is known to work.
"""

import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import tomli_w
import torch
from torch import Tensor

from benchmarks.side_by_side import write_section
from byline.training.config import TrainConfig, load_train_config
from byline.training.ema import WeightAverage
from byline.training.engine import build_engine, passes_per_step
from byline.training.estimate import build_network, empty_inputs, estimate
from byline.training.hardware import CPU, find_hardware
from byline.training.kernels import attention_by
from byline.training.ranks import Ranks, join, leave
from byline.training.stepping import Pass, take_step

RECIPES = Path(__file__).parents[1] / "configs" / "training"
WARM_UP, STEPS = 3, 10
LIMIT_S = 150
"""For one case, compiling and starting included."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One recipe, and what it is changed in."""

    recipe: str
    precision: str = "bf16"
    deepspeed: str = "cpu"
    images_per_rank: int = 32
    compile: bool = False
    activation_checkpointing: bool = False

    @property
    def name(self) -> str:
        """Return what stands in the table."""
        extras = ["compiled"] * self.compile + ["checkpointing"] * self.activation_checkpointing
        stage = {"cpu": "ZeRO 0"}.get(self.deepspeed, self.deepspeed.replace("zero", "ZeRO "))
        return ", ".join([self.recipe, self.precision, stage, *extras])


ON_GPU = (
    Case(recipe="demo", images_per_rank=64),
    Case(recipe="demo", precision="fp32", images_per_rank=64),
    Case(recipe="sd2-base-256"),
    Case(recipe="sd2-base-256", precision="fp16"),
    Case(recipe="sd2-base-256", compile=True),
    Case(recipe="sd2-base-256", activation_checkpointing=True),
    *(Case(recipe="sd2-base-256", deepspeed=f"zero{stage}") for stage in (1, 2, 3)),
    Case(recipe="sd2-base-512", deepspeed="zero2", images_per_rank=16),
)
ON_CPU = (Case(recipe="demo", precision="fp32", images_per_rank=8),)


def _changed(case: Case, num_ranks: int, folder: Path) -> Path:
    """Write the config of a case; return its path."""
    config = load_train_config(RECIPES / f"{case.recipe}.toml").model_dump(mode="json", exclude_none=True)
    size = case.images_per_rank * num_ranks
    machine = {
        **config["machine"],
        "num_ranks": num_ranks,
        "deepspeed": case.deepspeed,
        "compile": case.compile,
        "activation_checkpointing": case.activation_checkpointing,
        "max_images_per_pass": case.images_per_rank,
        "log_every_images": size,
        "save_every_images": size,
    }
    changes = {"precision": case.precision, "batch_size": size, "streams": num_ranks, "images": size}
    path = folder / "case.toml"
    kept = {key: value for key, value in config.items() if key not in ("watch", "init_from")}
    path.write_text(tomli_w.dumps({**kept, **changes, "machine": machine}))
    return path


def _steps(path: str) -> None:
    """Be one rank of a case; the first one prints what it measured, as JSON."""
    config, ranks = load_train_config(path), join()
    torch.manual_seed(0)
    network = build_network(config).to(ranks.device)
    engine = build_engine(network, config, ranks)
    average = WeightAverage(engine, half_life_images=config.ema_half_life_images)
    inputs = _inputs(config, ranks)
    seconds = []
    with attention_by(config.machine.attention, device=ranks.device, precision=config.precision):
        for step in range(WARM_UP + STEPS):
            started_s = _now(ranks)
            take_step(engine, [inputs], lr=1e-4)
            average.update(images_seen=(step + 1) * config.batch_size, batch_size=config.batch_size)
            seconds.append(_now(ranks) - started_s)
    peak_bytes = torch.cuda.max_memory_allocated() if ranks.device.type == "cuda" else 0
    if ranks.is_first:
        print(json.dumps({"seconds": seconds[WARM_UP:], "peak_bytes": peak_bytes}))
    leave(ranks, together=True)


def _inputs(config: TrainConfig, ranks: Ranks) -> Pass:
    assert passes_per_step(config, ranks) == 1
    return tuple(_filled(tensor).to(ranks.device) for tensor in empty_inputs(config, config.batch_size // ranks.size))


def _filled(tensor: Tensor) -> Tensor:
    return tensor.normal_() if tensor.is_floating_point() else tensor


def _now(ranks: Ranks) -> float:
    if ranks.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def _row(case: Case, num_ranks: int, *, on_gpu: bool) -> str:
    with TemporaryDirectory() as folder:
        path = _changed(case, num_ranks, Path(folder))
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(num_ranks)]
        try:
            done = subprocess.run(
                [*command, "-m", "benchmarks.on_gpu", str(path)],
                capture_output=True, text=True, check=False, timeout=LIMIT_S,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return f"| {case.name} | not done in {LIMIT_S} s | | | | |"
        if done.returncode:
            why = next((line for line in reversed(done.stderr.splitlines()) if "Error" in line), "failed")
            return f"| {case.name} | {why.replace('|', '/'):.80} | | | | |"
        result = json.loads(done.stdout.splitlines()[-1])
        config = load_train_config(path)
        expected = estimate(config, find_hardware("a100" if on_gpu else CPU), gpus=num_ranks)
    median_s = statistics.median(result["seconds"])
    rate = config.batch_size / median_s
    spread = f"{median_s * 1e3:,.1f} ({min(result['seconds']) * 1e3:,.1f} to {max(result['seconds']) * 1e3:,.1f})"
    computed = expected.cost.flops_per_image * rate / num_ranks / 1e12
    memory = next(stage_memory.total for stage_memory in expected.memory if stage_memory.stage == expected.stage)
    measured = f"{result['peak_bytes'] / 1e9:.2f}" if on_gpu else "not counted"
    return f"| {case.name} | {spread} | {rate:,.0f} | {computed:,.2f} | {memory / 1e9:.2f} | {measured} |"


def main() -> None:
    """Run all cases and keep the table in RESULTS.md."""
    on_gpu = torch.cuda.is_available()
    num_ranks = torch.cuda.device_count() if on_gpu else 1
    device = f"{num_ranks} x {torch.cuda.get_device_name()}" if on_gpu else "the CPU, in small: no GPU was at hand"
    rows = [_row(case, num_ranks, on_gpu=on_gpu) for case in (ON_GPU if on_gpu else ON_CPU)]
    names = ["recipe", "a step, ms", "images/s", "TFLOP/s a rank", "GB a rank, expected", "GB a rank, measured"]
    write_section(
        "A step on GPUs",
        "scripts/on-gpu",
        f"On {device}. Medians of {STEPS} steps (least to most) after {WARM_UP}, on made-up inputs: what reading costs "
        "is not in it. TFLOP/s are of the model's own work. Memory is expected by `byline train --dry-run`, and "
        "measured as torch's most allocated.\n\n"
        f"| {' | '.join(names)} |\n|---|" + "---:|" * (len(names) - 1) + "\n" + "\n".join(rows),
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _steps(sys.argv[1])
    else:
        main()
