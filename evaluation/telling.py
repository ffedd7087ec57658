"""An evaluation as plain data: what `byline evaluate` writes, and what a model's card takes of it."""

from dataclasses import asdict
from typing import Any

from byline.evaluation.compared import Results
from byline.evaluation.evaluating import Choices, Evaluation
from byline.evaluation.measures import Measured, Refused
from byline.evaluation.report import Report


def as_plain_data(evaluation: Evaluation, command: str) -> dict[str, Any]:
    """Return everything but the pictures. `command` makes it again."""
    compared, loss = evaluation.compared, evaluation.loss
    return {
        "checkpoint": evaluation.checkpoint.digest,
        "images_seen": evaluation.checkpoint.images_seen,
        "release": evaluation.release.manifest.digest,
        "command": command,
        "sampling": evaluation.choices.sampling.model_dump(mode="json"),
        "features": compared and {"what": compared.features, "digest": compared.digest},
        "reports": [asdict(report) for report in reports(evaluation, command)],
        "loss_by_level": loss and [{"value": value, "interval": interval} for value, interval in loss.levels],
        "real": compared and _numbers(compared.real),
        "controls": compared and {words: _numbers(results) for words, results in compared.controls.items()},
        "refused": [] if compared is None else [asdict(one) for one in compared.drawn if isinstance(one, Refused)],
    }


def reports(evaluation: Evaluation, command: str) -> list[Report]:
    """Return a report of each number about the model."""
    digests = {"release": evaluation.release.manifest.digest, "checkpoint": evaluation.checkpoint.digest}
    seed, found = evaluation.choices.sampling.seed, []
    if evaluation.compared is not None:
        digests_seen = {**digests, "features": evaluation.compared.digest}
        for one in evaluation.compared.drawn:
            if isinstance(one, Measured):
                claim = f"{one.name}: {one.words}; {one.features}; {one.better} is better"
                found.append(_report(claim, one.value, one.interval, one.num_pictures, seed, digests_seen, command))
    if evaluation.loss is not None:
        loss, claim = evaluation.loss, "loss: of training, on held-out pictures, at all noise levels; lower is better"
        found.append(_report(claim, loss.value, loss.interval, loss.num_pictures, seed, digests, command))
    return found


def command_of(checkpoint: str, release: str, choices: Choices) -> str:
    """Return the command that measures the same."""
    sampling, usual = choices.sampling, Choices().sampling
    options = [f"--measures {name}" for name in choices.measures]
    options += [f"--features {choices.features}"] if choices.features != Choices().features else []
    options += [f"--samples {choices.num_samples}"] if choices.num_samples else []
    options += [] if choices.controls else ["--no-controls"]
    for option, value, otherwise in (
        ("seed", sampling.seed, usual.seed),
        ("sampler", sampling.sampler, usual.sampler),
        ("steps", sampling.num_inference_steps, usual.num_inference_steps),
        ("guidance-scale", sampling.guidance_scale, usual.guidance_scale),
    ):
        options += [f"--{option} {value}"] if value != otherwise else []
    return " ".join(["byline evaluate", checkpoint, release, *options])


def _numbers(results: Results) -> dict[str, Any]:
    return {
        one.name: {"value": one.value, "interval": one.interval, "n": one.num_pictures}
        for one in results
        if isinstance(one, Measured)
    }


def _report(
    claim: str,
    value: float,
    interval: tuple[float, float],
    n: int,
    seed: int,
    digests: dict[str, str],
    command: str,
) -> Report:
    return Report(claim=claim, value=value, interval=interval, n=n, seed=seed, digests=digests, command=command)
