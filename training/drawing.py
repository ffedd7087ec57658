"""Draw the prompts of `[watch.samples]` with the averaged weights of a run that goes on."""

from dataclasses import dataclass, replace
from typing import Any

from byline.diffusion.grid import grid_png
from byline.diffusion.sampling import TextToImage
from byline.training.watch_config import SamplesConfig


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """What draws a grid. The noise is the same each time, so grids show what training changed."""

    config: SamplesConfig
    model: TextToImage
    """Of the run, with a network that has no weights yet."""

    def png(self, unet: Any, images_seen: int) -> bytes:
        """Return a grid of what `unet` draws. Equal weights give equal bytes."""
        prompts = list(self.config.prompts)
        pictures = replace(self.model, unet=unet).sample(prompts, self.config)
        notes = {"byline": self.config.model_dump_json(), "byline images seen": str(images_seen)}
        return grid_png(pictures.cpu().numpy(), prompts, notes=notes)
