import copy

import pytest
import torch
from torch import nn

from byline.catalog.errors import ConfigError
from byline.training.optimizers import build_optimizer, fresh_state
from byline.training.run_tables import OptimizerConfig
from byline.training.state import optimizer_state
from byline.training.stepping import take_step
from tests.training.alone import Fit, a_batch, an_engine

MUON = OptimizerConfig(name="muon", learning_rate=0.01)


class Lookup(nn.Module):
    """An embedding, a convolution and a matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.kernel, self.matrix = nn.Embedding(4, 4), nn.Conv2d(3, 4, 3), nn.Linear(4, 6)


def test_muon_has_the_matrices_and_adamw_the_rest():
    network = Lookup()
    names = {id(weight): name for name, weight in network.named_parameters()}
    muon, adamw = build_optimizer(network, MUON, zero_stage=0).param_groups
    assert [names[id(weight)] for weight in muon["params"]] == ["matrix.weight"]
    assert [names[id(weight)] for weight in adamw["params"]] == [
        "table.weight",
        "kernel.weight",
        "kernel.bias",
        "matrix.bias",
    ]


def test_muon_does_what_torchs_does_alone():
    torch.manual_seed(0)
    ours, theirs = nn.Linear(5, 7, bias=True), nn.Linear(5, 7, bias=True)
    theirs.load_state_dict(ours.state_dict())
    both = build_optimizer(ours, MUON, zero_stage=0)
    alone = [
        torch.optim.Muon([theirs.weight], lr=0.01, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW([theirs.bias], lr=0.01, betas=(0.9, 0.99), fused=True),
    ]
    for step in range(3):
        inputs, _ = a_batch(step, 4)
        for network, optimizers in ((ours, [both]), (theirs, alone)):
            network.zero_grad()
            network(inputs).square().sum().backward()
            for optimizer in optimizers:
                optimizer.step()
    assert torch.equal(ours.weight, theirs.weight)
    assert torch.equal(ours.bias, theirs.bias)


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_state_that_is_made_before_the_first_step_is_what_the_optimizer_makes_in_it(name):
    torch.manual_seed(0)
    ours = Fit()
    theirs = copy.deepcopy(ours)
    for network in (ours, theirs):
        optimizer = build_optimizer(network, OptimizerConfig(name=name, learning_rate=0.01), zero_stage=0)
        if network is ours:
            for group in optimizer.param_groups:
                for weight in group["params"]:
                    optimizer.state[weight] = fresh_state(group, weight)
        for step in range(3):
            network.zero_grad()
            network(*a_batch(step, 4)).backward()
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_muon_is_refused_where_matrices_are_split():
    with pytest.raises(ConfigError, match="optimizer.name = 'muon' needs whole matrices, which ZeRO 2 splits; use"):
        build_optimizer(Lookup(), MUON, zero_stage=2)


def test_a_run_by_muon_saves_state_of_both():
    engine = an_engine(Fit(), optimizer={"name": "muon", "learning_rate": 0.01})
    take_step(engine, [a_batch(0, 4)], lr=0.01)
    state = optimizer_state(engine)
    assert state["first.weight.momentum_buffer"].any()
    assert state["first.bias.exp_avg"].any()
    assert state["steps"].item() == 1
