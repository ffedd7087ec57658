"""Draw the prompts of `[watch.samples]` with the averaged weights of a run that goes on."""

from dataclasses import dataclass
from typing import Any

from diffusers import AutoencoderKL

from byline.diffusion.autoencoder import fold_statistics
from byline.diffusion.grid import grid_png
from byline.diffusion.pixel_space import PixelSpace
from byline.diffusion.samplers import build_scheduler, set_timesteps
from byline.diffusion.sampling import build_pipeline, draw
from byline.diffusion.text import TextEncoder
from byline.training.watch_config import SamplesConfig


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """What draws a grid. The noise is the same each time, so grids show what training changed."""

    config: SamplesConfig
    autoencoder: AutoencoderKL | PixelSpace
    text_encoder: TextEncoder
    scheduler_config: dict[str, Any]

    def __post_init__(self) -> None:
        """Raise `ConfigError` now, and not when the first grid is due, for a sampler that cannot do what is asked."""
        scheduler = build_scheduler(self.config.sampler, self.scheduler_config)
        set_timesteps(scheduler, self.config, int(self.scheduler_config["num_train_timesteps"]))

    def png(self, unet: Any, images_seen: int) -> bytes:
        """Return a grid of what `unet` draws, on its device. Equal weights give equal bytes."""
        prompts = list(self.config.prompts)
        pipeline = build_pipeline(unet, fold_statistics(self.autoencoder), self.text_encoder, self.scheduler_config)
        pictures = draw(pipeline.to(unet.device), self.scheduler_config, prompts, self.config)
        notes = {"byline": self.config.model_dump_json(), "byline images seen": str(images_seen)}
        return grid_png(pictures.numpy(), prompts, notes=notes)
