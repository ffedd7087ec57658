"""The perceptual loss: what it is of pictures, and what a run is that has it, or has it not."""

import json
from pathlib import Path

import pytest
import torch
from torch.nn.functional import interpolate

from byline.catalog.corpora.manifest import Release
from byline.catalog.digests import digest_of
from byline.catalog.errors import CheckpointError
from byline.dedup.embedding.corpus import load_photographs, photographs
from byline.dedup.embedding.network import CopyNet, NetworkConfig, load_network, save_network
from byline.diffusion.autoencoder import autocast, build_autoencoder
from byline.diffusion.checkpoint import open_checkpoint
from byline.diffusion.pixels import to_network
from byline.diffusion.weights import weights_digest
from byline.training.autoencoder_task import AutoencoderTask, ReconstructionLoss
from byline.training.config import AutoencoderLossConfig, load_train_config
from byline.training.estimate import estimate
from byline.training.hardware import find_hardware
from byline.training.perceptual import load_perceptual_loss
from byline.training.ranks import Ranks
from byline.training.run import run
from harness.run_configs import write_toml
from tests.training.builders import SIDE_PX, a_release, an_autoencoder, an_autoencoder_run

SAMPLES = Path(__file__).parents[2] / "samples"
DETECTOR = str(SAMPLES / "models/copy-detector")
BEFORE = "b21cbf8746415f00c0b573fd7911849247a7b3ef47c479888f5e3fc494fd2003"
"""The digest of an autoencoder's identity from before there was a perceptual loss."""
ALONE = Ranks(rank=0, size=1, device=torch.device("cpu"))


def a_detector(folder, seed=0):
    """Save an untrained copy detector small enough to be quick; return its folder."""
    torch.manual_seed(seed)
    save_network(CopyNet(NetworkConfig(side_px=32, widths=(8, 8), dim=16), norm=False), folder)
    return str(folder)


def pictures():
    chosen = photographs(SAMPLES / "photographs", held_out=True)
    squares = torch.from_numpy(load_photographs(chosen.paths[:4]))
    return to_network(interpolate(squares.float(), (64, 64), mode="area"))


def blurred(x, side_px=32):
    small = interpolate(x, (side_px, side_px), mode="bilinear", antialias=True)
    return interpolate(small, x.shape[2:], mode="bilinear", align_corners=False)


def as_far(x, other, mse):
    """Return the picture on the way from `x` to `other` whose squared error is `mse`."""
    return x + (other - x) * (mse / (other - x).square().mean()).sqrt()


def test_equal_pictures_have_none_and_a_finite_gradient():
    x = pictures()
    output = x.clone().requires_grad_()
    loss = load_perceptual_loss(DETECTOR)(output, x)
    loss.backward()
    assert loss.item() == 0
    assert output.grad.isfinite().all()


def test_one_color_has_a_finite_gradient_where_nothing_is_active(tmp_path):
    perceptual = load_perceptual_loss(a_detector(tmp_path))
    for weight in perceptual.network.features.parameters():
        weight.zero_()
    output = torch.zeros(1, 3, 32, 32, requires_grad=True)
    perceptual(output, torch.ones(1, 3, 32, 32)).backward()
    assert output.grad.abs().max() == 0


def test_blur_is_farther_than_other_changes_of_the_same_squared_error():
    x, perceptual = pictures(), load_perceptual_loss(DETECTOR)
    mse = (blurred(x) - x).square().mean()
    shifted, brighter = as_far(x, x.roll(1, 3), mse), as_far(x, x + 1, mse)
    for other in (shifted, brighter):
        torch.testing.assert_close((other - x).square().mean(), mse)
        assert perceptual(blurred(x), x) > 1.2 * perceptual(other, x)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_its_gradient_reaches_the_output_and_no_weight(precision):
    x, perceptual = pictures(), load_perceptual_loss(DETECTOR)
    output = blurred(x).requires_grad_()
    with autocast(x.device, precision):
        loss = perceptual(output, x)
    loss.backward()
    with torch.no_grad():
        nearer = output - 2 * output.grad / output.grad.norm()
        assert perceptual(nearer, x) < perceptual(output, x)
    assert loss.dtype == torch.float32
    assert output.grad.isfinite().all()
    assert not perceptual.network.training
    assert all(weight.grad is None for weight in perceptual.network.parameters())


def test_the_last_level_is_what_the_embedding_pools():
    network, pixels = load_network(Path(DETECTOR)), torch.rand(1, 3, 64, 64)
    levels = network.levels(pixels)
    assert [tuple(level.shape[1:]) for level in levels] == [(32, 32, 32), (64, 16, 16), (96, 8, 8), (160, 4, 4)]
    assert torch.equal(levels[-1], network.features(pixels * 4 - 2))


def losses(loss, perceptual=None):
    config = an_autoencoder_run("c/releases/r", Path("run"), loss=loss)
    torch.manual_seed(0)
    network = ReconstructionLoss(build_autoencoder(config.autoencoder, side_px=SIDE_PX), config, perceptual)
    pixels = torch.randint(0, 256, (2, 3, SIDE_PX, SIDE_PX), dtype=torch.uint8)
    value = network(pixels, torch.randn(2, 4, 8, 8))
    value.backward()
    return value, network


def test_a_weight_adds_that_much_of_it_to_the_loss_and_no_weights_to_the_network(tmp_path):
    perceptual = load_perceptual_loss(a_detector(tmp_path))
    plain, network = losses({})
    named = {"perceptual_model": str(tmp_path)}
    ones, tens = (losses({**named, "perceptual_weight": w}, perceptual)[0] for w in (1.0, 10.0))
    assert ones > plain
    torch.testing.assert_close(tens - plain, 10 * (ones - plain))
    _, with_it = losses({**named, "perceptual_weight": 1.0}, perceptual)
    assert [name for name, _ in with_it.named_parameters()] == [name for name, _ in network.named_parameters()]


def test_without_a_weight_all_is_as_it_was_before_there_was_one(tmp_path):
    plain = an_autoencoder_run("c/releases/r", tmp_path)
    named = an_autoencoder_run("c/releases/r", tmp_path, loss={"perceptual_model": a_detector(tmp_path / "d")})
    assert named.identity() == plain.identity()
    assert plain.identity()["loss"] == {"gradient_weight": 0.05, "kl_weight": 1e-3}
    assert digest_of(plain.identity()) == BEFORE
    release = Release(a_release(tmp_path / "c"))
    config = an_autoencoder_run(
        "c/r", tmp_path, loss=named.loss.model_dump(), watch={"validation": {"every_images": 4}}
    )
    task = AutoencoderTask(config, release, ALONE)
    assert (task.provenance, task.frozen_models()) == ({}, {})
    assert task.held_out.loss == plain.loss.model_dump(mode="json", include={"gradient_weight", "kl_weight"})
    assert torch.equal(losses({})[0], losses(named.loss.model_dump())[0])


def a_run(tmp_path, detector, **overrides):
    release = f"{tmp_path}/corpus/releases/tiny"
    loss = {"perceptual_weight": 0.5, "perceptual_model": detector}
    return write_toml(
        tmp_path / "run.toml", an_autoencoder_run(release, tmp_path / "run", **{"loss": loss, **overrides})
    )


@pytest.mark.slow
def test_a_run_trains_with_it_goes_on_and_refuses_other_weights(tmp_path):
    a_release(tmp_path / "corpus")
    detector = a_detector(tmp_path / "detector")
    a_detector(tmp_path / "moved"), a_detector(tmp_path / "other", seed=1)
    run(a_run(tmp_path, detector, images=8))
    assert run(a_run(tmp_path, str(tmp_path / "moved"), images=16)) == 0
    folder, info = open_checkpoint(tmp_path / "run")
    assert (info.images_seen, info.config["loss"]["perceptual_weight"]) == (16, 0.5)
    assert info.provenance == {"perceptual_model": weights_digest(load_network(Path(detector)))}
    assert json.loads((folder / "parts/parts.json").read_text())["perceptual_model"]["name"] == "moved"
    with pytest.raises(CheckpointError, match=r"made by another run: perceptual_model was \w+\.\.\., now"):
        run(a_run(tmp_path, str(tmp_path / "other"), images=24))
    with pytest.raises(CheckpointError, match=r"loss.perceptual_weight was 0.5, now None"):
        run(a_run(tmp_path, detector, images=24, loss={}))


def test_a_weight_without_a_model_is_one_line():
    with pytest.raises(ValueError, match="perceptual_weight = 0.1 is of activations of a network, and none is named"):
        AutoencoderLossConfig(perceptual_weight=0.1)


def test_its_place_counts_from_the_config(tmp_path):
    (tmp_path / "configs").mkdir()
    text = a_run(tmp_path, "../detector").read_text()
    (tmp_path / "configs/run.toml").write_text(text)
    assert load_train_config(tmp_path / "configs/run.toml").loss.used_model == f"{tmp_path}/detector"


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(
        CheckpointError, match=r"^loss.perceptual_model: no folder \S+/none; name one that holds a copy"
    ):
        load_perceptual_loss(f"{tmp_path}/none")


def test_a_model_that_is_no_copy_detector_is_one_line(tmp_path):
    with pytest.raises(
        CheckpointError, match=r"^loss.perceptual_model: \S+ holds no copy detector, by its config.json"
    ):
        load_perceptual_loss(an_autoencoder(tmp_path))


def test_a_copy_detector_that_is_damaged_is_one_line(tmp_path):
    (Path(a_detector(tmp_path)) / "model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"holds no usable copy detector: [^\n]+$"):
        load_perceptual_loss(str(tmp_path))


@pytest.mark.slow
def test_what_it_costs_is_estimated_from_its_config_alone(tmp_path):
    detector = Path(a_detector(tmp_path / "d"))
    (detector / "model.safetensors").unlink()
    loss = {"perceptual_weight": 0.5, "perceptual_model": str(detector)}
    plain, looked_at = (
        estimate(an_autoencoder_run("none", tmp_path, loss=given), find_hardware("a100"), gpus=1)
        for given in ({}, loss)
    )
    assert looked_at.cost.flops_per_image > plain.cost.flops_per_image
    assert looked_at.num_parameters == plain.num_parameters
