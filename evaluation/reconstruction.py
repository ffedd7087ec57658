"""How well an autoencoder gives pictures back: PSNR on held-out samples.

python -m byline.evaluation.reconstruction demo/corpus/releases/demo samples/models/tiny-vae
"""

# Shapes: N pictures, C colors, H and W height and width in pixels.

import sys

import numpy as np
import torch
from torch import Tensor

from byline.catalog.corpora.manifest import Release
from byline.catalog.errors import BylineError
from byline.diffusion.autoencoder import decode, encode, load_autoencoder
from byline.diffusion.pixels import to_bytes, to_network
from byline.diffusion.weights import weights_digest
from byline.evaluation.pictures import Pictures, read_pictures
from byline.evaluation.report import Floats, Report, bootstrap_interval

BATCH = 32
SEED = 0


def psnr(a_NCHW: Tensor, b_NCHW: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio in dB of each pair of pictures, given as bytes."""
    mse_N = (a_NCHW.double() - b_NCHW.double()).square().mean((1, 2, 3))
    return 10 * torch.log10(255.0**2 / mse_N)


def measure_reconstruction(release_url: str, autoencoder_source: str) -> list[Report]:
    """Return the mean PSNR over all held-out samples, and over those of each source."""
    release = Release(release_url)
    autoencoder = load_autoencoder(autoencoder_source)
    pictures = read_pictures(release, "heldout", side_px=autoencoder.config.sample_size)
    values = _psnr_of(autoencoder, pictures)
    sources = [str(facts["record_id"]).split(":")[0] for facts in pictures.facts]
    digests = {"release": release.manifest.digest, "autoencoder": weights_digest(autoencoder)}
    command = f"python -m byline.evaluation.reconstruction {release_url} {autoencoder_source}"
    groups = {"all sources": np.ones(len(values), bool)}
    groups |= {name: np.array([s == name for s in sources]) for name in sorted(set(sources))}
    return [
        Report(
            claim=f"mean PSNR in dB of reconstructions of held-out pictures, {name}",
            value=float(values[member].mean()),
            interval=bootstrap_interval(values[member], seed=SEED),
            n=int(member.sum()),
            seed=SEED,
            digests=digests,
            command=command,
        )
        for name, member in groups.items()
    ]


def reconstruct(autoencoder: torch.nn.Module, pixels_NCHW: Tensor) -> Tensor:
    """Return what the autoencoder makes of pictures; bytes in, bytes out, computed in fp32."""
    outputs = []
    for batch_BCHW in torch.split(pixels_NCHW, BATCH):
        latents_BCHW = encode(autoencoder, to_network(batch_BCHW), "fp32")
        outputs.append(to_bytes(decode(autoencoder, latents_BCHW, "fp32")))
    return torch.cat(outputs)


def _psnr_of(autoencoder: torch.nn.Module, pictures: Pictures) -> Floats:
    pixels_NCHW = torch.from_numpy(pictures.pixels_nchw)
    values: Floats = psnr(pixels_NCHW, reconstruct(autoencoder, pixels_NCHW)).numpy()
    return values


if __name__ == "__main__":
    try:
        for report in measure_reconstruction(*sys.argv[1:]):
            print(report.to_json())
    except BylineError as error:
        sys.exit(f"byline: {error}")
