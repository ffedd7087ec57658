import json

import pytest
import torch

from byline.catalog.errors import ConfigError
from byline.training.deepspeed_files import read_deepspeed
from byline.training.engine import passes_per_step
from byline.training.ranks import Ranks
from tests.training.builders import an_autoencoder_run


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bf16": {"enabled": True}}, "'bf16' belongs into the training config, as precision"),
        ({"optimizer": {}}, "'optimizer' belongs into the training config"),
        ({"zero_optimization": {"stage": 4}}, "zero_optimization must be an object with stage 0, 1, 2 or 3, got"),
        ({"zero_optimization": 3}, "zero_optimization must be an object with stage 0, 1, 2 or 3, got 3"),
        ({"zero_optimization": {"stage": "2"}}, "zero_optimization must be an object with stage 0, 1, 2 or 3"),
        (
            {"zero_optimization": {"stage": 3, "zero_quantized_weights": True}},
            "zero_optimization.zero_quantized_weights may change the weights; known keys: allgather_bucket_size",
        ),
        ("[" * 100_000, "cannot read DeepSpeed config .*: nested too deep"),
    ],
)
def test_what_would_change_the_weights_is_refused(tmp_path, settings, message):
    (tmp_path / "ds.json").write_text(settings if isinstance(settings, str) else json.dumps(settings))
    with pytest.raises(ConfigError, match=message):
        read_deepspeed(str(tmp_path / "ds.json"))


@pytest.mark.parametrize(("ranks", "most", "passes"), [(1, 64, 1), (1, 5, 3), (2, 6, 1), (2, 4, 2), (3, 1, 4)])
def test_a_share_is_cut_into_equal_passes(tmp_path, ranks, most, passes):
    machine = {"max_images_per_pass": most, "log_every_images": 12, "save_every_images": 12}
    config = an_autoencoder_run("c/releases/r", tmp_path, batch_size=12, machine=machine)
    assert passes_per_step(config, Ranks(rank=0, size=ranks, device=torch.device("cpu"))) == passes


def test_a_batch_that_ranks_cannot_share_is_refused(tmp_path):
    config = an_autoencoder_run("c/releases/r", tmp_path)
    with pytest.raises(ConfigError, match="batch_size = 4 must be a multiple of the 3 ranks"):
        passes_per_step(config, Ranks(rank=0, size=3, device=torch.device("cpu")))
