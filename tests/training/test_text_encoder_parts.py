"""What a text encoder's run is made of: its config, its tokens, and a loss that any number of ranks agree on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from pydantic import ValidationError
from torch import Tensor

from byline.catalog.errors import ConfigError
from byline.training.caption_tokens import digest_of_tokens, make_tokens, tokenizer_of
from byline.training.engine import build_engine
from byline.training.estimate import estimate
from byline.training.hardware import find_hardware
from byline.training.pairs import tokenize
from byline.training.ranks import Ranks
from byline.training.stepping import take_step
from byline.training.text_encoder_task import new_network
from tests.training.builders import SIDE_PX, a_text_encoder_run
from tests.training.gloo import mean_gradients, on_ranks

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
CAPTIONS = ["Red heart", "red square", "a red heart on a square", "heart", "Zeichnung: Äpfel", "square"]
BATCH = 8
TOWER = {"hidden_size": 16, "num_layers": 1, "num_attention_heads": 2}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"text": {**TOWER, "hidden_size": 15, "max_tokens": 8, "vocab_size": 300}},
            "hidden_size = 15 must be a multi",
        ),
        ({"text": {**TOWER, "max_tokens": 8, "vocab_size": 256}}, "vocab_size"),
        ({"vision": {**TOWER, "patch_size": 5}}, "resolution_px = 16 must be a multiple of vision.patch_size = 5"),
        ({"batch_size": 1, "streams": 1}, "batch_size = 1 leaves no other caption"),
        ({"phases": [{"from_images": 8, "resolution_px": 32}]}, "the image encoder has places for one size"),
        ({"init_from": {"checkpoint": "x"}}, "init_from: the tokens of a text encoder are made of its own release"),
        ({"machine": {"max_images_per_pass": 2}}, "on 1 rank is 4 images a pass, and .* = 2; the loss compares"),
    ],
)
def test_what_cannot_be_trained_is_one_line(tmp_path, overrides, message):
    with pytest.raises((ValidationError, ConfigError), match=message):
        a_text_encoder_run("c/releases/r", tmp_path, **overrides)


def test_more_ranks_make_a_pass_small_enough_and_fewer_do_not(tmp_path):
    machine = {"max_images_per_pass": 2, "num_ranks": 2}
    config = a_text_encoder_run("c/releases/r", tmp_path, machine=machine)
    config.require_one_pass(4)
    with pytest.raises(ConfigError, match="batch_size = 4 on 1 rank is 4 images a pass"):
        config.require_one_pass(1)


def test_a_dry_run_counts_its_weights(tmp_path):
    config = a_text_encoder_run("c/releases/r", tmp_path)
    told = estimate(config, find_hardware("cpu", num_ranks=1, usd_per_hour=None, mfu=None), gpus=1)
    assert told.kind == "text_encoder"
    assert told.num_parameters == sum(weight.numel() for weight in new_network(config, 300).parameters())


def test_tokens_are_those_of_the_captions_in_any_order_and_any_process():
    program = "import sys, json; from byline.training.caption_tokens import *; "
    program += "print(digest_of_tokens(make_tokens(json.loads(sys.argv[1]), 300)))"
    told = subprocess.run(
        [sys.executable, "-c", program, json.dumps(CAPTIONS[::-1])],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == digest_of_tokens(make_tokens(CAPTIONS, 300))


def test_any_text_is_read_and_long_ones_are_cut_before_the_end():
    tokenizer = tokenizer_of(make_tokens(CAPTIONS, 300), 8)
    rows = tokenize(tokenizer, ["", "RED heart", "never seen: \U0001f600 and more words than are read"])
    pad, end, start = (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.bos_token_id)
    assert rows[0].tolist() == [start, end] + [pad] * 6
    assert tokenizer.decode(rows[1], skip_special_tokens=True).strip() == "red heart"
    assert (rows[2][0], rows[2][-1]) == (start, end)


def a_batch() -> tuple[Tensor, Tensor]:
    """Return pictures and tokens, of which two captions are equal, on other ranks where there are several."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (BATCH, 3, SIDE_PX, SIDE_PX), generator=generator, dtype=torch.uint8)
    tokens = torch.randint(3, 300, (BATCH, 8), generator=generator)
    tokens[:, 0], tokens[:, 6] = 2, 1
    tokens[-1] = tokens[0]
    return pixels, tokens


def gradients(ranks: Ranks, folder: Path) -> dict[str, Tensor]:
    """Return the gradient of each weight, averaged over ranks as data parallelism does."""
    torch.manual_seed(0)
    network = new_network(a_text_encoder_run("c/releases/r", folder), 300)
    network(*(tensor.chunk(ranks.size)[ranks.rank] for tensor in a_batch())).backward()
    return mean_gradients(network, ranks)


def losses(ranks: Ranks, folder: Path, deepspeed: str) -> list[float]:
    """Return the loss of three steps over all ranks."""
    machine = {"deepspeed": deepspeed, "log_every_images": BATCH, "save_every_images": BATCH}
    config = a_text_encoder_run("c/releases/r", folder, batch_size=BATCH, images=24, machine=machine)
    torch.manual_seed(0)
    engine = build_engine(new_network(config, 300), config, ranks)
    inputs = tuple(tensor.chunk(ranks.size)[ranks.rank] for tensor in a_batch())
    found = []
    for _ in range(3):
        loss = take_step(engine, [inputs], lr=1e-3).loss
        dist.all_reduce(loss)
        found.append(float(loss) / ranks.size)
    return found


def test_any_number_of_ranks_has_the_gradient_of_one(tmp_path):
    (alone,) = on_ranks(1, gradients, tmp_path)
    assert min(float(gradient.norm()) for name, gradient in alone.items() if "k_proj.bias" not in name) > 1e-4
    for size in (2, 4):
        for found in on_ranks(size, gradients, tmp_path):
            assert all(torch.allclose(found[name], gradient, atol=1e-5) for name, gradient in alone.items())


def test_any_number_of_ranks_and_any_stage_has_the_losses_of_one(tmp_path):
    alone = on_ranks(1, losses, tmp_path, "cpu")[0]
    assert alone[2] < alone[0]
    for size, deepspeed in ((4, "cpu"), (2, "zero3")):
        assert on_ranks(size, losses, tmp_path, deepspeed)[0] == pytest.approx(alone, rel=1e-4)


def test_ranks_that_looked_at_their_own_captions_only_would_have_another_loss(tmp_path):
    network = new_network(a_text_encoder_run("c/releases/r", tmp_path), 300)
    whole = network(*a_batch()).detach()
    halves = [network(*(tensor.chunk(2)[part] for tensor in a_batch())) for part in range(2)]
    assert abs(float(whole) - float(torch.stack(halves).detach().mean())) > 0.1
