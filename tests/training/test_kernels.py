"""How a network is computed changes nothing that it computes, beyond rounding."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from byline.catalog.errors import ConfigError
from byline.training.engine import build_engine
from byline.training.kernels import attention_by, require_compiler
from byline.training.ranks import Ranks
from byline.training.stepping import take_step
from tests.training.alone import Fit, a_batch, an_engine
from tests.training.builders import an_autoencoder_run
from tests.training.gloo import on_ranks
from tests.training.unets import BATCH, a_denoiser, losses_of

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def plain() -> list[float]:
    return losses_of(an_engine(a_denoiser(), batch_size=BATCH), steps=8)


def test_activations_that_are_computed_again_are_the_same(plain):
    engine = an_engine(a_denoiser(), batch_size=BATCH, machine={"activation_checkpointing": True})
    assert any(getattr(module, "gradient_checkpointing", False) for module in engine.network.modules())
    assert losses_of(engine, steps=8) == pytest.approx(plain, rel=1e-5)


@pytest.mark.parametrize("name", ["flash", "math"])
def test_every_kernel_of_attention_gives_the_same(plain, name):
    with attention_by(name, device=CPU, precision="fp32"):
        assert losses_of(an_engine(a_denoiser(), batch_size=BATCH), steps=8) == pytest.approx(plain, rel=1e-4)
        allowed = torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.math_sdp_enabled()
    assert allowed == (name != "math", True)


@pytest.mark.parametrize(
    ("name", "precision", "fused"),
    [("auto", "fp32", True), ("auto", "bf16", False), ("flash", "bf16", True), ("math", "fp32", False)],
)
def test_a_processor_computes_attention_of_bf16_by_plain_products(name, precision, fused):
    query_BHLD = torch.ones(1, 2, 4, 8)
    with attention_by(name, device=CPU, precision=precision), torch.profiler.profile() as profile:
        torch.nn.functional.scaled_dot_product_attention(query_BHLD, query_BHLD, query_BHLD)
    assert any("flash" in event.key for event in profile.key_averages()) == fused


def _has_compiler() -> bool:
    try:
        require_compiler()
    except ConfigError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.skipif(not _has_compiler(), reason="torch.compile needs a C++ compiler")
def test_a_compiled_network_gives_the_same():
    losses = []
    for compiled in (False, True):
        torch.manual_seed(0)
        engine = an_engine(Fit(), machine={"compile": compiled})
        assert engine.deepspeed.is_compiled == compiled
        losses.append([float(take_step(engine, [a_batch(step, 4)], lr=0.01).loss) for step in range(4)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_that_no_compiler_is_here_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(ConfigError, match=r"machine.compile needs a C\+\+ compiler, and neither"):
        require_compiler()


def divided(ranks: Ranks, folder: Path, machine: dict[str, Any]) -> list[float]:
    path = folder / f"zero3-{ranks.rank}.json"
    path.write_text(json.dumps({"zero_optimization": {"stage": 3, "stage3_param_persistence_threshold": 0}}))
    machine = {**machine, "deepspeed": str(path), "log_every_images": BATCH}
    config = an_autoencoder_run("c/releases/r", folder, batch_size=BATCH, machine=machine)
    engine = build_engine(a_denoiser(), config, ranks)
    return losses_of(engine, rank=ranks.rank, size=ranks.size, steps=8)


@pytest.mark.slow
def test_zero_3_computes_activations_again_from_weights_that_it_gathers(plain, tmp_path):
    shares = on_ranks(2, divided, tmp_path, {"activation_checkpointing": True})
    assert [sum(losses) / 2 for losses in zip(*shares, strict=True)] == pytest.approx(plain, rel=1e-3)
