"""The network of the copy-detection embedding: a small residual convnet with generalized-mean pooling."""

from itertools import pairwise
from pathlib import Path

import torch
from pydantic import BaseModel, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import normalize, relu
from torch.nn.utils.fusion import fuse_conv_bn_eval

from byline.catalog.errors import CheckpointError

# Shapes: B batch, C channels, H and W height and width, D embedding.
CONFIG_NAME, WEIGHTS_NAME = "config.json", "model.safetensors"
ARCHITECTURE = "byline-copy-detector"


class NetworkConfig(BaseModel, frozen=True, extra="forbid"):
    """Everything that the weights do not say about themselves. Kept beside them as `config.json`."""

    architecture: str = Field(default=ARCHITECTURE, pattern=f"^{ARCHITECTURE}$")
    side_px: int = Field(default=96, ge=32, le=512)
    """Pictures are squashed to a square of this side."""
    widths: tuple[int, ...] = Field(default=(32, 64, 96, 160), min_length=2)
    """Channels of the stem and of each stage; every one of them halves the sides."""
    blocks: int = Field(default=2, ge=1, le=8)
    """Residual blocks of each stage but the first, which has one."""
    dim: int = Field(default=128, ge=8, le=1024)


class CopyNet(nn.Module):
    """Pictures to unit vectors whose cosine says whether one is an edited copy of the other.

    Has no notion of position beyond its padding: pooling is the generalized mean (Radenovic et al. 2019, eq. 3),
    `(mean x^p)^(1/p)` with a trained `p`, so that a strong feature counts wherever a crop has moved it.
    """

    def __init__(self, config: NetworkConfig, *, norm: bool) -> None:
        """Build the network: with `norm` for training; without it for use, as part of the convolutions."""
        super().__init__()
        self.config = config
        widths = config.widths
        layers: list[nn.Module] = [_ConvNorm(3, widths[0], stride=2, norm=norm), nn.ReLU()]
        for stage, (narrow, wide) in enumerate(pairwise(widths)):
            layers.append(_Block(narrow, wide, stride=2, norm=norm))
            layers += [_Block(wide, wide, stride=1, norm=norm) for _ in range(config.blocks - 1 if stage else 0)]
        self.features = nn.Sequential(*layers)
        self.power = nn.Parameter(torch.tensor(3.0))
        self.head = nn.Linear(widths[-1], config.dim)

    def levels(self, pixels_BCHW: Tensor) -> list[Tensor]:
        """Return the activations of the stem and of each stage, of RGB pixels in `[0, 1]`: each has half the sides."""
        levels: list[Tensor] = []
        x_BCHW = pixels_BCHW * 4 - 2
        for layer in self.features:
            if isinstance(layer, _Block) and layer.stride > 1:
                levels.append(x_BCHW)
            x_BCHW = layer(x_BCHW)
        return [*levels, x_BCHW]

    def forward(self, pixels_BCHW: Tensor) -> Tensor:
        """Return unit vectors (B, D) of RGB pixels in `[0, 1]`."""
        features_BCHW = self.features(pixels_BCHW * 4 - 2).float()
        power = self.power.clamp(1, 8)
        pooled_BC = features_BCHW.clamp(min=1e-4).pow(power).mean(dim=(2, 3)).pow(1 / power)
        return normalize(self.head(pooled_BC), dim=1)


class _ConvNorm(nn.Module):
    """A 3 x 3 (or 1 x 1) convolution, and while training a batch normalization."""

    def __init__(self, narrow: int, wide: int, *, stride: int, norm: bool, side: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(narrow, wide, side, stride, side // 2, bias=not norm)
        self.norm = nn.BatchNorm2d(wide) if norm else nn.Identity()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.norm(self.conv(x_BCHW))  # type: ignore[no-any-return]


class _Block(nn.Module):
    """Two convolutions beside a shortcut (He et al. 2016)."""

    def __init__(self, narrow: int, wide: int, *, stride: int, norm: bool) -> None:
        super().__init__()
        self.stride = stride
        self.first = _ConvNorm(narrow, wide, stride=stride, norm=norm)
        self.second = _ConvNorm(wide, wide, stride=1, norm=norm)
        straight = stride == 1 and narrow == wide
        self.shortcut = nn.Identity() if straight else _ConvNorm(narrow, wide, stride=stride, norm=norm, side=1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        inner_BCHW = self.second(relu(self.first(x_BCHW)))
        return relu(inner_BCHW + self.shortcut(x_BCHW))


def folded(net: CopyNet) -> CopyNet:
    """Return a network without normalization that computes what `net` computes in use, up to float rounding."""
    plain = CopyNet(net.config, norm=False).eval()
    trained = dict(net.eval().named_modules())
    with torch.no_grad():
        for name, module in plain.named_modules():
            if isinstance(module, _ConvNorm):
                source = trained[name]
                assert isinstance(source, _ConvNorm)
                assert isinstance(source.norm, nn.BatchNorm2d)
                module.conv.load_state_dict(fuse_conv_bn_eval(source.conv, source.norm).state_dict())
        plain.head.load_state_dict(net.head.state_dict())
        plain.power.copy_(net.power)
    return plain


def save_network(net: CopyNet, folder: Path) -> None:
    """Write a folded network: float16 safetensors and `config.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.half().contiguous() for name, value in net.state_dict().items()}
    save_file(weights, folder / WEIGHTS_NAME, metadata={"format": "pt"})
    (folder / CONFIG_NAME).write_text(net.config.model_dump_json(indent=2) + "\n")


def read_network_config(folder: Path) -> NetworkConfig:
    """Return what the network of a folder is. Raises `CheckpointError` where that does not say so."""
    try:
        return NetworkConfig.model_validate_json((folder / CONFIG_NAME).read_bytes())
    except (OSError, ValidationError) as error:
        raise _unusable(folder, error) from error


def load_network(folder: Path) -> CopyNet:
    """Return the network of a folder, float32, for use. Raises `CheckpointError` unless all of it is there and fits."""
    net = CopyNet(read_network_config(folder), norm=False)
    try:
        weights = {name: value.float() for name, value in load_file(folder / WEIGHTS_NAME).items()}
        net.load_state_dict(weights)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise _unusable(folder, error) from error
    if not all(bool(value.isfinite().all()) for value in weights.values()):
        raise CheckpointError(f"{folder / WEIGHTS_NAME} holds numbers that are not finite; restore it or train again")
    return net.eval()


def _unusable(folder: Path, error: Exception) -> CheckpointError:
    reason = " ".join(str(error).split())[:200]
    return CheckpointError(
        f"{folder} holds no usable copy detector: {reason}; restore {CONFIG_NAME} and {WEIGHTS_NAME}, "
        "or train one (docs/embedding.md)"
    )
