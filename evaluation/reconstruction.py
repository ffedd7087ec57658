"""How well an autoencoder gives pictures back: PSNR and KID on held-out samples.

python -m byline.evaluation.reconstruction demo/corpus/releases/demo samples/models/tiny-vae

PSNR rewards blur, the mean of all that latents leave open. KID, between reconstructions and the pictures themselves,
does not.
"""

# Shapes: N pictures, C colors, H and W height and width in pixels.

import sys
from functools import partial

import numpy as np
import torch
from torch import Tensor

from byline.catalog.corpora.manifest import Release
from byline.catalog.errors import BylineError, ConfigError
from byline.diffusion.autoencoder import decode, encode, load_autoencoder
from byline.diffusion.pixels import to_bytes, to_network
from byline.diffusion.weights import weights_digest
from byline.evaluation.features import load_features
from byline.evaluation.measures import Refused, evaluate
from byline.evaluation.pictures import Pictures, read_pictures
from byline.evaluation.report import Report, bootstrap_interval

BATCH = 32
SEED = 0


def psnr(a_NCHW: Tensor, b_NCHW: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio in dB of each pair of pictures, given as bytes."""
    mse_N = (a_NCHW.double() - b_NCHW.double()).square().mean((1, 2, 3))
    return 10 * torch.log10(255.0**2 / mse_N)


def measure_reconstruction(release_url: str, autoencoder_source: str) -> tuple[list[Report], str]:
    """Return the mean PSNR over all held-out samples and over those of each source, and the KID of all.

    Where KID cannot be had, the second value says why in one line; otherwise it is empty.
    """
    release = Release(release_url)
    autoencoder = load_autoencoder(autoencoder_source)
    pictures = read_pictures(release, "heldout", side_px=autoencoder.config.sample_size)
    output_NCHW = reconstruct(autoencoder, torch.from_numpy(pictures.pixels_nchw))
    report = partial(
        Report,
        seed=SEED,
        digests={"release": release.manifest.digest, "autoencoder": weights_digest(autoencoder)},
        command=f"python -m byline.evaluation.reconstruction {release_url} {autoencoder_source}",
    )
    reports = _psnr(pictures, output_NCHW, report)
    try:
        return [*reports, _kid(pictures, output_NCHW, report)], ""
    except ConfigError as error:
        return reports, f"KID is left out: {error}"


def reconstruct(autoencoder: torch.nn.Module, pixels_NCHW: Tensor) -> Tensor:
    """Return what the autoencoder makes of pictures; bytes in, bytes out, computed in fp32."""
    outputs = []
    for batch_BCHW in torch.split(pixels_NCHW, BATCH):
        latents_BCHW = encode(autoencoder, to_network(batch_BCHW), "fp32")
        outputs.append(to_bytes(decode(autoencoder, latents_BCHW, "fp32")))
    return torch.cat(outputs)


def _psnr(pictures: Pictures, output_NCHW: Tensor, report: partial[Report]) -> list[Report]:
    values = psnr(torch.from_numpy(pictures.pixels_nchw), output_NCHW).numpy()
    sources = [str(facts["record_id"]).split(":")[0] for facts in pictures.facts]
    groups = {"all sources": np.ones(len(values), bool)}
    groups |= {name: np.array([s == name for s in sources]) for name in sorted(set(sources))}
    return [
        report(
            claim=f"mean PSNR in dB of reconstructions of held-out pictures, {name}",
            value=float(values[member].mean()),
            interval=bootstrap_interval(values[member], seed=SEED),
            n=int(member.sum()),
        )
        for name, member in groups.items()
    ]


def _kid(pictures: Pictures, output_NCHW: Tensor, report: partial[Report]) -> Report:
    """Return the KID. Raises `ConfigError` without the feature network's package, and for too few pictures."""
    features = load_features()
    (kid,) = evaluate(output_NCHW.numpy(), pictures.pixels_nchw, features, measures=["kid"], seed=SEED)
    if isinstance(kid, Refused):
        raise ConfigError(kid.reason)
    return report(
        claim=f"KID of reconstructions of held-out pictures to these pictures, {kid.features}, all sources",
        value=kid.value,
        interval=kid.interval,
        n=kid.num_pictures,
        digests={**report.keywords["digests"], "features": features.digest},
    )


if __name__ == "__main__":
    try:
        reports, left_out = measure_reconstruction(*sys.argv[1:])
    except BylineError as error:
        sys.exit(f"byline: {error}")
    for report in reports:
        print(report.to_json())
    if left_out:
        print(f"byline: {left_out}", file=sys.stderr)
