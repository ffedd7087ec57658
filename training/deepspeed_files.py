"""DeepSpeed's JSON files. They may say how memory and messages are spread, and nothing that changes the weights."""

import json
from pathlib import Path
from typing import Any

from byline.catalog.errors import ConfigError

SAID_ELSEWHERE = {
    "activation_checkpointing": "machine.activation_checkpointing",
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

KNOWN_OF_ZERO = frozenset(
    {
        "allgather_bucket_size",
        "allgather_partitions",
        "contiguous_gradients",
        "overlap_comm",
        "reduce_bucket_size",
        "reduce_scatter",
        "stage",
        "stage3_max_live_parameters",
        "stage3_max_reuse_distance",
        "stage3_param_persistence_threshold",
        "stage3_prefetch_bucket_size",
        "sub_group_size",
    }
)
"""The same of `zero_optimization`: others quantize, offload, or change what is summed."""


def read_deepspeed(path: str) -> dict[str, Any]:
    """Read a DeepSpeed JSON file. Raises `ConfigError` for what is not known only to spread memory and messages."""
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
    _check_zero(path, settings.get("zero_optimization", {}))
    return settings


def _check_zero(path: str, zero: object) -> None:
    if not isinstance(zero, dict) or zero.get("stage", 0) not in (0, 1, 2, 3) or isinstance(zero.get("stage"), bool):
        raise ConfigError(f"{path}: zero_optimization must be an object with stage 0, 1, 2 or 3, got {zero!r:.80}")
    for key in zero:
        if key not in KNOWN_OF_ZERO:
            known = ", ".join(sorted(KNOWN_OF_ZERO))
            raise ConfigError(f"{path}: zero_optimization.{key} may change the weights; known keys: {known}")


def zero_stage(settings: dict[str, Any]) -> int:
    """Return the ZeRO stage that a DeepSpeed config asks for."""
    return int(settings.get("zero_optimization", {}).get("stage", 0))
