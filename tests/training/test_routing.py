"""Runs whose tokens are routed, and whose pictures are kept apart: the same on any ranks, after any stop."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from pydantic import ValidationError
from torch import Tensor

from byline.catalog.corpora.manifest import Release
from byline.catalog.errors import ConfigError
from byline.training.config import load_train_config
from byline.training.diffusion_task import DiffusionTask
from byline.training.engine import build_engine
from byline.training.estimate import build_network, estimate
from byline.training.hardware import find_hardware
from byline.training.ranks import Ranks
from byline.training.run import run
from byline.training.stepping import take_step
from harness.run_configs import write_toml
from tests.training.builders import a_diffusion_run, a_release, an_autoencoder, an_autoencoder_run
from tests.training.gloo import mean_gradients, on_ranks
from tests.training.test_run import digests_of, losses_of, start

A100 = find_hardware("a100")
CPU = torch.device("cpu")
TRANSFORMER = {"patch_size": 2, "hidden_size": 32, "num_layers": 4, "num_attention_heads": 2}
ROUTING = {"share": 0.5, "start_block": 1, "end_block": 3}
UNROUTED = [{"from_images": 16, "routing_share": 0.0}]
FLOW = {"prediction_type": "sample", "use_flow_sigmas": True}
BATCH, NUM_TOKENS = 8, 16


def a_routed_run(release, folder, autoencoder="vae", **overrides):
    settings = {"unet": None, "transformer": TRANSFORMER, "noise": FLOW, "routing": ROUTING}
    return a_diffusion_run(release, folder, autoencoder, **{**settings, **overrides})


def a_dispersed_run(folder, **overrides):
    settings = {"dispersive_loss": {"block": 0}, "routing": None, "batch_size": BATCH}
    machine = {"log_every_images": BATCH, "save_every_images": BATCH, **overrides.pop("machine", {})}
    return a_routed_run("c/releases/r", folder, machine=machine, **{**settings, **overrides})


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"routing": {**ROUTING, "share": 1.0}}, "routing.share\n  Input should be less than 1"),
        ({"routing": {**ROUTING, "share": -0.1}}, "routing.share\n  Input should be greater than or equal to 0"),
        ({"routing": {**ROUTING, "start_block": 3}}, "end_block = 3 must come after start_block = 3"),
        ({"routing": {**ROUTING, "end_block": 5}}, "routing.end_block = 5 is more than transformer.num_layers = 4"),
        ({"unet": {"block_out_channels": [32]}, "transformer": None}, r"\[routing\] is of the blocks of a"),
        (
            {"routing": None, "phases": UNROUTED},
            r"phases\[0\].routing_share changes the table \[routing\], which is not",
        ),
        ({"phases": [{"from_images": 16, "routing_share": 1.0}]}, "routing_share\n  Input should be less than 1"),
        ({"dispersive_loss": {"block": 4}}, "dispersive_loss.block = 4 must be less than transformer.num_layers = 4"),
        ({"dispersive_loss": {"block": 2}}, r"dispersive_loss.block = 2 is one that tokens skip \(1 to 2\)"),
        ({"dispersive_loss": {"block": 3, "weight": 0}}, "dispersive_loss.weight\n  Input should be greater than 0"),
        (
            {"dispersive_loss": {"block": 3}, "buckets": {"step_px": 4}},
            "dispersive_loss compares pictures of one shape",
        ),
        ({"dispersive_loss": {"block": 3}, "batch_size": 1, "streams": 1}, "batch_size = 1 leaves dispersive_loss no"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, overrides, message):
    with pytest.raises(ValidationError, match=message):
        a_routed_run("c/releases/r", tmp_path, **overrides)


def test_a_unet_has_no_tokens_to_keep_apart(tmp_path):
    with pytest.raises(
        ValidationError, match=r"\[dispersive_loss\] is of the blocks of a \[transformer\], and the net"
    ):
        a_diffusion_run("c/releases/r", tmp_path, "vae", dispersive_loss={"block": 0})


def test_an_autoencoder_has_no_tokens_that_a_phase_could_route(tmp_path):
    with pytest.raises(ValidationError, match=r"phases\[0\].routing_share changes the table \[routing\]"):
        an_autoencoder_run("c/releases/r", tmp_path, phases=UNROUTED)


def test_a_wrong_share_is_one_line_of_a_file(tmp_path):
    path = write_toml(tmp_path / "run.toml", a_routed_run("c/releases/r", tmp_path))
    path.write_text(path.read_text().replace("share = 0.5", "share = 1.5"))
    with pytest.raises(ConfigError, match=r"routing.*share[^\n]*less than 1[^\n]*$"):
        load_train_config(path)


def test_a_run_without_them_is_called_what_it_was_before_there_were_any(tmp_path):
    phases = [{"from_images": 16, "learning_rate": 1e-4}]
    identity = a_routed_run("c/releases/r", tmp_path, routing=None, phases=phases).identity()
    assert not {"routing", "dispersive_loss"} & identity.keys()
    assert identity["phases"] == [{"from_images": 16, "resolution_px": None, "learning_rate": 1e-4}]
    assert a_routed_run("c/releases/r", tmp_path).identity()["routing"] == ROUTING


def test_a_phase_changes_the_share_and_nothing_else(tmp_path):
    config = a_routed_run("c/releases/r", tmp_path, phases=UNROUTED)
    assert [config.at(seen).routing_share for seen in (0, 15, 16, 24)] == [0.5, 0.5, 0, 0]
    assert config.at(16).model_copy(update={"routing": config.routing}) == config


@pytest.mark.slow
@pytest.mark.parametrize("attention", ["joint", "cross"])
def test_a_dry_run_counts_what_skips_blocks_at_its_share(tmp_path, attention):
    autoencoder, kept, words, width, mlp = an_autoencoder(tmp_path / "vae"), NUM_TOKENS // 2, 32, 32, 88
    whole, half = (
        estimate(
            a_routed_run(
                "none",
                tmp_path / "run",
                autoencoder,
                transformer={**TRANSFORMER, "text_attention": attention},
                routing=routing,
            ),
            A100,
            gpus=1,
        ).cost.flops_per_image
        for routing in (None, ROUTING)
    )
    of_a_token = 4 * width**2 + 3 * width * mlp
    if attention == "joint":
        of_attention = 2 * width * ((NUM_TOKENS + words) ** 2 - (kept + words) ** 2)
    else:
        of_a_token += 2 * width**2
        of_attention = 2 * width * (NUM_TOKENS**2 - kept**2 + (NUM_TOKENS - kept) * words)
    products, two_blocks, forward_and_backward = 2, 2, 3
    less = two_blocks * forward_and_backward * products * ((NUM_TOKENS - kept) * of_a_token + of_attention)
    assert whole - half == less


def kept_by(task, ranks, *, images_seen=0, steps=4, passes=1):
    """Return, for each step, the noise of each sample and the tokens that it keeps."""
    with closing(task.batches(ranks, images_seen, passes)) as batches:
        return [
            {(noise.numpy().tobytes(), tuple(kept.tolist())) for _, noise, _, _, kept in _rows(next(batches))}
            for _ in range(steps)
        ]


def _rows(passes):
    return [row for inputs in passes for row in zip(*inputs, strict=True)]


@pytest.mark.slow
def test_which_tokens_skip_does_not_depend_on_ranks_passes_or_a_stop(tmp_path):
    pixels = {"autoencoder": None, "transformer": {**TRANSFORMER, "patch_size": 4}}
    release = Release(a_release(tmp_path / "corpus"))
    config = a_routed_run(str(release.store.url(release.path)), tmp_path / "run", **pixels)
    alone = Ranks(rank=0, size=1, device=CPU)
    task = DiffusionTask(config, release, alone)
    whole = kept_by(task, alone)
    assert {len(kept) for step in whole for _, kept in step} == {NUM_TOKENS // 2}
    assert len({kept for step in whole for _, kept in step}) == 16
    shared = [kept_by(task, Ranks(rank=rank, size=2, device=CPU), passes=2) for rank in range(2)]
    assert [one | other for one, other in zip(*shared, strict=True)] == whole
    assert kept_by(task, alone, images_seen=8, steps=2) == whole[2:]


@pytest.mark.slow
def test_a_share_of_zero_is_the_run_without_routing_to_the_bit(tmp_path):
    release, autoencoder = a_release(tmp_path / "corpus"), an_autoencoder(tmp_path / "vae")
    for name, routing in {"absent": None, "zero": {**ROUTING, "share": 0.0}, "half": ROUTING}.items():
        run(write_toml(tmp_path / f"{name}.toml", a_routed_run(release, tmp_path / name, autoencoder, routing=routing)))
    absent, zero, half = (
        {name: digest for name, digest in digests_of(tmp_path / run).items() if name != "byline.json"}
        for run in ("absent", "zero", "half")
    )
    assert absent == zero
    assert absent["unet/config.json"] == half["unet/config.json"]
    assert absent["optimizer.safetensors"] != half["optimizer.safetensors"]


@pytest.mark.slow
def test_a_routed_run_of_several_shapes_and_phases_goes_on_to_the_same_bits_and_two_ranks_do_what_one_does(tmp_path):
    release = a_release(tmp_path / "corpus", train=13, sizes=((40, 40), (60, 40), (40, 70)))
    autoencoder = an_autoencoder(tmp_path / "vae")
    settings = {
        "phases": UNROUTED,
        "buckets": {"step_px": 4},
        "watch": {"validation": {"every_images": 12, "images": 2}},
    }
    path = write_toml(tmp_path / "one.toml", a_routed_run(release, tmp_path / "one", autoencoder, **settings))
    run(path)
    digests, losses = digests_of(tmp_path / "one"), losses_of(tmp_path / "one")
    for seen in (24, 16):
        shutil.rmtree(tmp_path / f"one/checkpoints/{seen:010d}")
    run(path)
    assert digests_of(tmp_path / "one") == digests
    assert losses_of(tmp_path / "one") == losses
    two = a_routed_run(
        release, tmp_path / "two", autoencoder, machine={"num_ranks": 2, "deepspeed": "zero2"}, **settings
    )
    process = start(write_toml(tmp_path / "two.toml", two))
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert [loss for _, loss in losses_of(tmp_path / "two")] == pytest.approx([loss for _, loss in losses], rel=1e-4)


def a_batch() -> tuple[Tensor, ...]:
    """Return latents, noise, timesteps and texts."""
    generator = torch.Generator().manual_seed(0)
    x0, noise = (torch.randn(BATCH, 4, 8, 8, generator=generator) for _ in range(2))
    return x0, noise, torch.arange(BATCH) * 100.0 + 50, torch.randn(BATCH, 3, 384, generator=generator)


def a_network(config):
    """Return a network none of whose weights is zero, so that all of them count in the loss."""
    network, generator = build_network(config).train(), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(0.1 * torch.randn(weight.shape, generator=generator))
    return network


def gradients(ranks: Ranks, folder: Path, **overrides) -> dict[str, Tensor]:
    """Return the gradient of each weight, averaged over ranks as data parallelism does."""
    network = a_network(a_dispersed_run(folder, autoencoder=f"{folder}/vae", **overrides))
    network(*(tensor.chunk(ranks.size)[ranks.rank] for tensor in a_batch())).backward()
    return mean_gradients(network, ranks)


def losses(ranks: Ranks, folder: Path, deepspeed: str) -> list[float]:
    """Return the loss of three steps over all ranks."""
    config = a_dispersed_run(folder, autoencoder=f"{folder}/vae", machine={"deepspeed": deepspeed})
    engine = build_engine(a_network(config), config, ranks)
    inputs = tuple(tensor.chunk(ranks.size)[ranks.rank] for tensor in a_batch())
    sums = []
    for _ in range(3):
        loss = take_step(engine, [inputs], lr=1e-3).loss
        dist.all_reduce(loss)
        sums.append(float(loss) / ranks.size)
    return sums


@pytest.mark.slow
def test_any_number_of_ranks_keeps_the_pictures_of_all_apart(tmp_path):
    an_autoencoder(tmp_path / "vae")
    (alone,) = on_ranks(1, gradients, tmp_path)
    for size in (2, 4):
        for shared in on_ranks(size, gradients, tmp_path):
            assert all(torch.allclose(shared[name], gradient, atol=1e-5) for name, gradient in alone.items())
    whole = on_ranks(1, losses, tmp_path, "cpu")[0]
    for size, deepspeed in ((4, "cpu"), (2, "zero3")):
        assert on_ranks(size, losses, tmp_path, deepspeed)[0] == pytest.approx(whole, rel=1e-4)


def test_the_dispersive_loss_is_added_in_training_only(tmp_path):
    autoencoder, losses = an_autoencoder(tmp_path / "vae"), {}
    for weight in (None, 1.0, 2.0):
        overrides = {"dispersive_loss": None if weight is None else {"block": 1, "weight": weight}}
        network = a_network(a_dispersed_run(tmp_path, autoencoder=autoencoder, **overrides))
        losses[weight] = network(*a_batch()).item(), network.eval()(*a_batch()).item()
    assert losses[None][1] == losses[1.0][1] == losses[2.0][1]
    assert losses[1.0][0] < losses[None][0]
    assert losses[2.0][0] - losses[None][0] == pytest.approx(2 * (losses[1.0][0] - losses[None][0]), rel=1e-3)


def test_pictures_of_a_part_of_a_batch_are_not_compared(tmp_path):
    with pytest.raises(
        ValidationError, match="is 8 images a pass, and machine.max_images_per_pass = 4; the loss compares"
    ):
        a_dispersed_run(tmp_path, machine={"max_images_per_pass": 4})
    config = a_dispersed_run(tmp_path, machine={"max_images_per_pass": 4, "num_ranks": 2})
    with pytest.raises(ConfigError, match="batch_size = 8 on 1 rank is 8 images a pass"):
        estimate(config, A100, gpus=1)
