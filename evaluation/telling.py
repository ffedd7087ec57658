"""An evaluation as plain data: what `byline evaluate` writes, and what a model's card takes of it."""

from dataclasses import asdict
from typing import Any

from byline.evaluation.agreed import Agreed
from byline.evaluation.agreement import NEAR
from byline.evaluation.compared import Results
from byline.evaluation.evaluating import Choices, Evaluation
from byline.evaluation.following import Following
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
        "agreement": _agreement(evaluation.agreed) if isinstance(evaluation.agreed, Agreed) else None,
        "followed": evaluation.following
        and {following.kind: _followed(following) for following in evaluation.following.kinds},
        "refused": [asdict(refusal) for refusal in refused(evaluation)],
    }


def refused(evaluation: Evaluation) -> list[Refused]:
    """Return the measures that say nothing here."""
    results = evaluation.compared.drawn if evaluation.compared else ()
    simple = evaluation.following.refused if evaluation.following else ()
    return [result for result in (*results, evaluation.agreed, *simple) if isinstance(result, Refused)]


def _followed(kind: Following) -> dict[str, Any]:
    return {"drawn": asdict(kind.drawn), "real": asdict(kind.real), "with other prompts": asdict(kind.wrong)}


def _agreement(agreed: Agreed) -> dict[str, Any]:
    sets = {"drawn": agreed.drawn, "real": agreed.real, "with other prompts": agreed.wrong}
    return {"scorer": agreed.scorer, "digest": agreed.digest} | {
        words: asdict(result) for words, result in sets.items()
    }


def reports(evaluation: Evaluation, command: str) -> list[Report]:
    """Return a report of each number about the model."""
    digests = {"release": evaluation.release.manifest.digest, "checkpoint": evaluation.checkpoint.digest}
    seed, all_reports = evaluation.choices.sampling.seed, []
    if evaluation.compared is not None:
        digests_seen = {**digests, "features": evaluation.compared.digest}
        for result in evaluation.compared.drawn:
            if isinstance(result, Measured):
                claim = f"{result.name}: {result.words}; {result.features}; {result.better} is better"
                n = result.num_pictures
                all_reports.append(_report(claim, result.value, result.interval, n, seed, digests_seen, command))
    if isinstance(evaluation.agreed, Agreed):
        all_reports += _agreement_reports(evaluation.agreed, seed, digests, command)
    for following in evaluation.following.kinds if evaluation.following else ():
        drawn = following.drawn
        of = f"of {drawn.num_prompts} prompts; judged by code; higher is better"
        claim = f"{following.kind}: share of {following.words}, {of}"
        all_reports.append(_report(claim, drawn.share, drawn.interval, drawn.num_pictures, seed, digests, command))
    if evaluation.loss is not None:
        loss, claim = evaluation.loss, "loss: of training, on held-out pictures, at all noise levels; lower is better"
        all_reports.append(_report(claim, loss.value, loss.interval, loss.num_pictures, seed, digests, command))
    return all_reports


def _agreement_reports(agreed: Agreed, seed: int, digests: dict[str, str], command: str) -> list[Report]:
    drawn, digests = agreed.drawn, {**digests, "scorer": agreed.digest}
    n, of = drawn.num_pictures, f"of {drawn.num_prompts} prompts; {agreed.scorer}; higher is better"
    first = f"agreement: share of pictures whose own prompt is the nearest (R-precision), {of}"
    near = f"agreement: share of pictures whose own prompt is among the {NEAR} nearest, {of}"
    return [
        _report(first, drawn.first, drawn.first_interval, n, seed, digests, command),
        _report(near, drawn.near, drawn.near_interval, n, seed, digests, command),
    ]


def command_of(checkpoint: str, release: str, choices: Choices) -> str:
    """Return the command that measures the same."""
    sampling, usual = choices.sampling, Choices().sampling
    options = [f"--measures {name}" for name in choices.measures]
    options += [f"--features {choices.features}"] if choices.features != Choices().features else []
    options += [f"--samples {choices.num_samples}"] if choices.num_samples else []
    options += [f"--scorer {choices.scorer}"] if choices.scorer else []
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
        result.name: {"value": result.value, "interval": result.interval, "n": result.num_pictures}
        for result in results
        if isinstance(result, Measured)
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
