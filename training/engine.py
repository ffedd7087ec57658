"""DeepSpeed around a network and AdamW: what it needs to start, and its optimizer state as tensors."""

import json
import logging
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from byline.catalog.configs.extras import needs
from byline.catalog.errors import CheckpointError, ConfigError
from byline.training.config import RunConfig
from byline.training.ranks import Ranks

SAID_ELSEWHERE = {
    "bf16": "precision",
    "fp16": "precision",
    "gradient_accumulation_steps": "machine.max_images_per_pass",
    "gradient_clipping": "optimizer.max_grad_norm",
    "optimizer": "optimizer",
    "scheduler": "optimizer",
    "torch_autocast": "precision",
    "train_batch_size": "batch_size",
    "train_micro_batch_size_per_gpu": "machine.max_images_per_pass",
}
"""Key of a DeepSpeed file -> the key of our config that says it, because it changes the weights."""

KNOWN = frozenset({"steps_per_print", "zero_allow_untested_optimizer", "zero_optimization"})
"""Keys of a DeepSpeed file that only say how memory and messages are spread."""


def read_deepspeed(path: str) -> dict[str, Any]:
    """Read a DeepSpeed JSON file. Raises `ConfigError` for ZeRO-3, and for what the training config says already."""
    try:
        settings: dict[str, Any] = json.loads(Path(path).read_text())
    except (OSError, ValueError, RecursionError) as error:
        why = "nested too deep" if isinstance(error, RecursionError) else error
        raise ConfigError(f"cannot read DeepSpeed config {path}: {why}") from error
    if not isinstance(settings, dict):
        raise ConfigError(f"{path} holds no JSON object; configs/deepspeed/ has examples")
    for key in settings:
        if key in SAID_ELSEWHERE:
            raise ConfigError(f"{path}: '{key}' belongs into the training config, as {SAID_ELSEWHERE[key]}; remove it")
        if key not in KNOWN:
            raise ConfigError(f"{path}: '{key}' may change the weights; known keys: {', '.join(sorted(KNOWN))}")
    zero = settings.get("zero_optimization", {})
    if not isinstance(zero, dict) or not isinstance(zero.get("stage", 0), int):
        raise ConfigError(f"{path}: zero_optimization must be an object with a number as its stage, got {zero!r:.80}")
    if zero_stage(settings) > 2:
        raise ConfigError(f"{path}: zero_optimization.stage 3 splits the weights that the EMA averages; use 0, 1 or 2")
    return settings


def zero_stage(settings: dict[str, Any]) -> int:
    """Return the ZeRO stage that a DeepSpeed config asks for."""
    return int(settings.get("zero_optimization", {}).get("stage", 0))


def passes_per_step(config: RunConfig, ranks: Ranks) -> int:
    """Return in how many equal passes a rank computes its share of a batch. Raises `ConfigError` if that is uneven."""
    if config.batch_size % ranks.size:
        raise ConfigError(f"batch_size = {config.batch_size} must be a multiple of the {ranks.size} ranks")
    share = config.batch_size // ranks.size
    fewest = -(-share // config.machine.max_images_per_pass)
    return next(passes for passes in range(fewest, share + 1) if share % passes == 0)


def build_engine(network: nn.Module, config: RunConfig, ranks: Ranks) -> Any:
    """Return a DeepSpeed engine that trains `network` by AdamW on the ranks that already joined.

    On CPU DeepSpeed would compile an all-reduce over shared memory at its first start (40 s, needs a C++ compiler); it
    serves inference only, so it is left out and gloo sums the gradients.
    """
    deepspeed = _import_deepspeed(ranks.device)
    passes = passes_per_step(config, ranks)
    settings = read_deepspeed(config.machine.deepspeed) | {
        "train_batch_size": config.batch_size,
        "train_micro_batch_size_per_gpu": config.batch_size // ranks.size // passes,
        "gradient_accumulation_steps": passes,
        "gradient_clipping": config.optimizer.max_grad_norm,
    }
    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=config.optimizer.learning_rate,
        betas=config.optimizer.betas,
        weight_decay=config.optimizer.weight_decay,
        fused=True,
    )
    engine, *_ = deepspeed.initialize(model=network, optimizer=optimizer, config=settings, dist_init_required=False)
    return engine


def _import_deepspeed(device: torch.device) -> Any:
    if device.type == "cpu":
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    with needs("train", "byline train"):
        import deepspeed

    if device.type == "cpu":
        deepspeed.ops.__compatible_ops__ = {}
    logging.getLogger("DeepSpeed").setLevel(logging.ERROR)
    return deepspeed


def optimizer_tensors(engine: Any) -> dict[str, Tensor]:
    """Return the state of AdamW that this rank holds, as `<group>.<index>.<name>`. Under ZeRO that is its own part."""
    return {
        f"{group}.{index}.{name}": torch.as_tensor(value)
        for group, index, state in _states(engine)
        for name, value in state.items()
    }


def restore_optimizer(engine: Any, tensors: dict[str, Tensor], path: Path) -> None:
    """Put back what `optimizer_tensors` gave. Raises `CheckpointError` when it does not fit."""
    optimizer = _adamw(engine)
    try:
        for group_index, group in enumerate(optimizer.param_groups):
            for index, parameter in enumerate(group["params"]):
                optimizer.state[parameter] = {
                    name: _placed(tensors.pop(f"{group_index}.{index}.{name}"), name, parameter)
                    for name in ("step", "exp_avg", "exp_avg_sq")
                }
    except KeyError as error:
        raise CheckpointError(f"{path} lacks the optimizer state {error}; delete its folder") from error
    if tensors:
        raise CheckpointError(f"{path} holds state of other weights: {sorted(tensors)[0]}")


def _placed(tensor: Tensor, name: str, parameter: Tensor) -> Tensor:
    if name != "step" and tensor.shape != parameter.shape:
        raise CheckpointError(
            f"optimizer state of shape {tuple(tensor.shape)} for weights of shape {tuple(parameter.shape)}; "
            "resume a run under ZeRO with as many ranks as it was saved by"
        )
    return tensor.to(parameter.device)


def _states(engine: Any) -> list[tuple[int, int, dict[str, Any]]]:
    optimizer = _adamw(engine)
    return [
        (group_index, index, optimizer.state[parameter])
        for group_index, group in enumerate(optimizer.param_groups)
        for index, parameter in enumerate(group["params"])
    ]


def _adamw(engine: Any) -> torch.optim.Optimizer:
    optimizer: torch.optim.Optimizer = getattr(engine.optimizer, "optimizer", engine.optimizer)
    return optimizer
