"""A diffusion transformer: patches of a picture or of its latents, which read text and say what to predict.

    c = MLP(features of t) + W mean(text)                      what every block is modulated by
    x = x + gate_a * attention(scale_a * norm(x) + shift_a)    adaLN-Zero (Peebles & Xie 2022, section 3.2)
    x = x + gate_m * SwiGLU(scale_m * norm(x) + shift_m)       SwiGLU(x) = W3 (silu(W1 x) * W2 x) (Shazeer 2020)

Gates are zero at the start, so that every block begins as nothing and the network gives zero. With `shared_modulation`
one linear layer makes scales, shifts and gates of all blocks, and each adds its own numbers to them (adaLN-single,
PixArt-alpha, Chen et al. 2023, section 2.3); without it each block has a layer of its own.

Queries and keys are normalized (Henry et al. 2020) and turned by the place of their patch (RoPE, Su et al. 2021, each
axis half of a head): what a query and a key have in common then depends on how far apart they are, and not on where.
"""

# Shapes: B batch, C channels, H and W height and width, N patches, L tokens, S both, K heads, D width.
# While training, some patches may skip blocks (`diffusion.routing`): N and S are then of those that are left.

from dataclasses import dataclass
from typing import Any

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput
from torch import Tensor, nn
from torch.nn.functional import fold, layer_norm, rms_norm, scaled_dot_product_attention, silu, unfold

from byline.diffusion.routing import Route

TIME_FEATURES = 256
ROPE_THETA = 100.0
"""The longest wave; a picture has few patches on a side."""


@dataclass
class TransformerOutput(UNet2DConditionOutput):  # type: ignore[misc]
    """What a U-Net returns, and the tokens of a block where they were asked for."""

    hidden: Tensor | None = None
    """`(B, N, D)`, of the picture."""


class DiffusionTransformer(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Reads what a `UNet2DConditionModel` reads, and so draws in diffusers' `StableDiffusionPipeline`."""

    _supports_gradient_checkpointing = True

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        *,
        sample_size: int,
        patch_size: int,
        in_channels: int,
        text_width: int,
        hidden_size: int,
        num_layers: int,
        num_attention_heads: int,
        text_attention: str = "joint",
        mlp_ratio: float = 8 / 3,
        qk_norm: bool = True,
        shared_modulation: bool = True,
        pooled_text: bool = True,
        patch_bottleneck: int | None = None,
        time_cond_proj_dim: None = None,
        class_embed_type: None = None,
    ) -> None:
        """Make it with random weights, from torch's global generator. The last two are what a pipeline looks for."""
        super().__init__()
        pixels = in_channels * patch_size**2
        self.embed: nn.Module = nn.Linear(pixels, hidden_size)
        if patch_bottleneck is not None:  # JiT (Li & He 2025, section 4.4): a patch has fewer dimensions than numbers
            self.embed = nn.Sequential(
                nn.Linear(pixels, patch_bottleneck, bias=False), nn.Linear(patch_bottleneck, hidden_size)
            )
        self.time_features = Timesteps(TIME_FEATURES, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time = TimestepEmbedding(TIME_FEATURES, hidden_size)
        self.text_norm = nn.LayerNorm(text_width)
        self.text = nn.Linear(text_width, hidden_size)
        self.pooled = nn.Linear(text_width, hidden_size) if pooled_text else None
        self.modulation = nn.Linear(hidden_size, 6 * hidden_size) if shared_modulation else None
        self.blocks = nn.ModuleList(
            Block(
                hidden_size,
                num_attention_heads,
                mlp_size=round(mlp_ratio * hidden_size / 8) * 8,
                qk_norm=qk_norm,
                crosses=text_attention == "cross",
                modulates=not shared_modulation,
            )
            for _ in range(num_layers)
        )
        self.last_modulation = nn.Linear(hidden_size, 2 * hidden_size)
        self.last = nn.Linear(hidden_size, pixels)
        self.gradient_checkpointing = False
        self._initialize()

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        encoder_hidden_states: Tensor,
        *,
        route: Route | None = None,
        hidden_block: int | None = None,
        **_: Any,
    ) -> TransformerOutput:
        """Return what the network predicts, of the shape of `sample`; diffusers' names. Every token of text counts.

        With a `route`, patches skip blocks. With a `hidden_block`, the patches as they leave it are returned too.
        """
        x_BND, (rows, columns) = self._patches(sample)
        text_BLD = self.text_norm(encoder_hidden_states)
        condition_BD = self._condition(timestep, text_BLD, len(sample))
        words_BLD, angles_ND = self.text(text_BLD), rope_angles(rows, columns, self._head_width, x_BND.device)
        shared = None if self.modulation is None else self.modulation(condition_BD)
        joint, num_patches = self.config["text_attention"] == "joint", rows * columns
        x_BSD = torch.cat([x_BND, words_BLD], 1) if joint else x_BND
        all_BSD, angles, hidden_BND = x_BSD, angles_ND, None
        for number, block in enumerate(self.blocks):
            if route is not None and number == route.start_block:
                all_BSD, x_BSD, angles = x_BSD, route.leave(x_BSD, num_patches), route.angles(angles_ND)
            x_BSD = self._through(block, x_BSD, condition_BD, shared, angles, None if joint else words_BLD)
            if route is not None and number + 1 == route.end_block:
                x_BSD, angles = route.come_back(x_BSD, all_BSD, num_patches), angles_ND
            if number == hidden_block:
                hidden_BND = x_BSD[:, :num_patches]
        shift_BD, scale_BD = self.last_modulation(condition_BD).chunk(2, -1)
        x_BND = self.last(modulate(x_BSD[:, :num_patches], shift_BD, scale_BD))
        return TransformerOutput(sample=self._picture(x_BND, rows, columns), hidden=hidden_BND)

    def _through(self, block: nn.Module, *given: Tensor | None) -> Tensor:
        """Return what a block gives; its activations are kept or, with checkpointing, computed again."""
        if torch.is_grad_enabled() and self.gradient_checkpointing:
            again: Tensor = self._gradient_checkpointing_func(block, *given)
            return again
        x_BSD: Tensor = block(*given)
        return x_BSD

    @property
    def _head_width(self) -> int:
        return int(self.config["hidden_size"] // self.config["num_attention_heads"])

    def _condition(self, timestep: Tensor | float, text_BLD: Tensor, size: int) -> Tensor:
        t_B = torch.as_tensor(timestep, device=text_BLD.device).expand(size)
        condition_BD: Tensor = self.time(self.time_features(t_B).to(text_BLD.dtype))
        if self.pooled is not None:
            condition_BD = condition_BD + self.pooled(text_BLD.mean(1))
        return silu(condition_BD)

    def _patches(self, sample_BCHW: Tensor) -> tuple[Tensor, tuple[int, int]]:
        size = self.config["patch_size"]
        rows, columns = (side // size for side in sample_BCHW.shape[2:])
        return self.embed(unfold(sample_BCHW, size, stride=size).transpose(1, 2)), (rows, columns)

    def _picture(self, x_BND: Tensor, rows: int, columns: int) -> Tensor:
        size = self.config["patch_size"]
        return fold(x_BND.transpose(1, 2), (rows * size, columns * size), size, stride=size)

    def _initialize(self) -> None:
        """Draw the weights as DiT does: gates and the last layer are zero."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        zeros = [self.last, self.last_modulation, self.modulation]
        for block in self.modules():
            if isinstance(block, Block):
                zeros += [block.modulation, None if block.cross is None else block.cross.out]
        for layer in filter(None, zeros):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)


class Block(nn.Module):
    """Attention and SwiGLU, modulated; between them, where the text is not among the patches, attention to it."""

    def __init__(self, width: int, heads: int, *, mlp_size: int, qk_norm: bool, crosses: bool, modulates: bool) -> None:
        super().__init__()
        self.attention = Attention(width, heads, qk_norm=qk_norm)
        self.cross = Attention(width, heads, qk_norm=qk_norm) if crosses else None
        self.gate_and_up = nn.Linear(width, 2 * mlp_size)
        self.down = nn.Linear(mlp_size, width)
        self.modulation = nn.Linear(width, 6 * width) if modulates else None
        self.table = nn.Parameter(torch.zeros(6 * width)) if not modulates else None

    def forward(
        self, x_BSD: Tensor, condition_BD: Tensor, shared: Tensor | None, angles_ND: Tensor, words_BLD: Tensor | None
    ) -> Tensor:
        """Return the sequence after this block."""
        modulation = condition_BD if self.modulation is None else self.modulation(condition_BD)
        if shared is not None and self.table is not None:
            modulation = shared + self.table
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = modulation.chunk(6, -1)
        normed_BSD = modulate(x_BSD, shift_a, scale_a)
        x_BSD = x_BSD + gate_a[:, None] * self.attention(normed_BSD, normed_BSD, angles_ND)
        if self.cross is not None:
            x_BSD = x_BSD + self.cross(modulate(x_BSD), words_BLD, None)
        gate_BSD, up_BSD = self.gate_and_up(modulate(x_BSD, shift_m, scale_m)).chunk(2, -1)
        x_BSD = x_BSD + gate_m[:, None] * self.down(silu(gate_BSD) * up_BSD)
        return x_BSD


class HeadNorm(nn.RMSNorm):
    """RMS norm of a head's numbers, its weights in their precision: of two precisions torch has no fused kernel."""

    def forward(self, x_BKSD: Tensor) -> Tensor:
        """Return numbers of the same shape and precision."""
        assert self.weight is not None
        return rms_norm(x_BKSD, self.normalized_shape, self.weight.to(x_BKSD.dtype), self.eps)


class Attention(nn.Module):
    """Attention of many heads, with normalized queries and keys; the first of them may be turned."""

    def __init__(self, width: int, heads: int, *, qk_norm: bool) -> None:
        super().__init__()
        self.heads = heads
        self.queries, self.keys_and_values = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        norms = (HeadNorm(width // heads, eps=1e-6) if qk_norm else nn.Identity() for _ in range(2))
        self.query_norm, self.key_norm = norms

    def forward(self, x_BSD: Tensor, read_BSD: Tensor, angles_ND: Tensor | None) -> Tensor:
        """Return what each of `x` finds in `read`; with angles, these are the same, and patches come first."""
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.queries(x_BSD), *self.keys_and_values(read_BSD).chunk(2, -1))
        )
        query_BKSD, key_BKSD = self.query_norm(query), self.key_norm(key)
        if angles_ND is not None:
            query_BKSD, key_BKSD = rotate(query_BKSD, angles_ND), rotate(key_BKSD, angles_ND)
        found_BKSD = scaled_dot_product_attention(query_BKSD, key_BKSD, value)
        mixed: Tensor = self.out(found_BKSD.transpose(1, 2).flatten(2))
        return mixed


def modulate(x_BSD: Tensor, shift_BD: Tensor | None = None, scale_BD: Tensor | None = None) -> Tensor:
    """Return `(1 + scale) norm(x) + shift`; the norm has no weights of its own."""
    normed_BSD = layer_norm(x_BSD, x_BSD.shape[-1:], eps=1e-6)
    if shift_BD is None or scale_BD is None:
        return normed_BSD
    return normed_BSD * (1 + scale_BD[:, None]) + shift_BD[:, None]


def rope_angles(rows: int, columns: int, head_width: int, device: torch.device) -> Tensor:
    """Return by how much each pair of a head's numbers is turned, `(N, head_width / 2)`: by row, then by column."""
    quarter = head_width // 4
    waves = ROPE_THETA ** (-torch.arange(quarter, device=device, dtype=torch.float32) / quarter)
    row, column = torch.meshgrid(torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij")
    return torch.cat([row.flatten()[:, None] * waves, column.flatten()[:, None] * waves], -1)


def rotate(x_BKSD: Tensor, angles_ND: Tensor) -> Tensor:
    """Turn the pairs of the first N of a sequence by their angles; what comes after them, the text, stays.

    Angles are `(N, D / 2)`, or `(B, 1, N, D / 2)` where they differ between sequences.
    """
    number = angles_ND.shape[-2]
    turned_BKND, rest = x_BKSD[:, :, :number], x_BKSD[:, :, number:]
    first, second = turned_BKND.chunk(2, -1)
    cos, sin = angles_ND.cos().to(x_BKSD.dtype), angles_ND.sin().to(x_BKSD.dtype)
    return torch.cat([torch.cat([first * cos - second * sin, first * sin + second * cos], -1), rest], 2)
