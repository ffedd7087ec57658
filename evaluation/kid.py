"""How far generated pictures are from held-out ones: kernel inception distance (Binkowski et al. 2018), other features.

The features are those of a small convolutional network with fixed random weights: nothing that was trained on other
pictures takes part, nothing is downloaded, and the number means something only beside another number of this file.
0 is no difference; it grows with the difference.

python -m byline.evaluation.kid demo/corpus/releases/demo demo/run
"""

# Shapes: N and M pictures, C channels, H and W height and width, D features.

import sys

import numpy as np
import torch
from torch import Tensor, nn

from byline.catalog.corpora.manifest import Release
from byline.catalog.errors import BylineError
from byline.diffusion.checkpoint import require_trained_on
from byline.diffusion.configs import SamplingConfig
from byline.diffusion.pixels import to_network
from byline.diffusion.sampling import TextToImage
from byline.evaluation.pictures import read_pictures
from byline.evaluation.report import Floats, Report

SEED = 0
SUBSETS = 100


def kernel_distance(x_ND: Floats, y_MD: Floats) -> float:
    """Return the unbiased squared maximum mean discrepancy under the kernel `(x.y / D + 1)^3`.

    Its mean is 0 when both come from one distribution, so single values may be below 0.
    """
    n, m = len(x_ND), len(y_MD)
    xx, yy, xy = _kernel(x_ND, x_ND), _kernel(y_MD, y_MD), _kernel(x_ND, y_MD)
    within_x = (xx.sum() - np.trace(xx)) / (n * (n - 1))
    within_y = (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return float(within_x + within_y - 2 * xy.mean())


def _kernel(x_ND: Floats, y_MD: Floats) -> Floats:
    kernel: Floats = (x_ND @ y_MD.T / x_ND.shape[1] + 1) ** 3
    return kernel


def random_features(pixels_NCHW: Tensor) -> Floats:
    """Return `(N, 384)` features of pictures given as bytes: means and spreads at three scales of a random network."""
    generator = torch.Generator().manual_seed(SEED)
    x_NCHW, features = to_network(pixels_NCHW), []
    for channels_in, channels_out in ((3, 32), (32, 64), (64, 96)):
        weight = torch.randn((channels_out, channels_in, 5, 5), generator=generator)
        weight = weight * (2 / (channels_in * 25)) ** 0.5
        x_NCHW = nn.functional.relu(nn.functional.conv2d(x_NCHW, weight, padding=2))
        features += [x_NCHW.mean((2, 3)), x_NCHW.std((2, 3))]
        x_NCHW = nn.functional.avg_pool2d(x_NCHW, 2)
    return torch.cat(features, 1).double().numpy()


def measure_kid(release_url: str, checkpoint: str) -> Report:
    """Sample one picture for every held-out caption and compare them with the held-out pictures.

    The interval is that of random halves of both sets, and so wider than one of the whole.
    """
    release = Release(release_url)
    model = TextToImage.load(checkpoint)
    require_trained_on(model.info, release)
    heldout = read_pictures(release, "heldout", side_px=model.info.resolution_px)
    real_ND = random_features(torch.from_numpy(heldout.pixels_nchw))
    made_ND = random_features(model.sample(list(heldout.captions), SamplingConfig(seed=SEED)))
    random, half = np.random.default_rng(SEED), len(real_ND) // 2
    values = [
        kernel_distance(
            real_ND[random.permutation(len(real_ND))[:half]], made_ND[random.permutation(len(made_ND))[:half]]
        )
        for _ in range(SUBSETS)
    ]
    low, high = np.quantile(values, [0.025, 0.975])
    return Report(
        claim="kernel distance of random-network features, held-out pictures against samples of their captions",
        value=kernel_distance(real_ND, made_ND),
        interval=(float(low), float(high)),
        n=len(real_ND),
        seed=SEED,
        digests={"release": release.manifest.digest, "checkpoint": model.info.digest},
        command=f"python -m byline.evaluation.kid {release_url} {checkpoint}",
    )


if __name__ == "__main__":
    try:
        print(measure_kid(*sys.argv[1:]).to_json())
    except BylineError as error:
        sys.exit(f"byline: {error}")
