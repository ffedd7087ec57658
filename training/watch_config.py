"""What is looked at while a run trains. Nothing of it can change the weights, so none of it is part of the identity."""

from pydantic import BaseModel, Field

from byline.diffusion.configs import SamplingConfig


class ValidationConfig(BaseModel, frozen=True, extra="forbid"):
    """Measure the averaged weights on pictures that the release holds out."""

    every_images: int = Field(ge=1)
    images: int = Field(default=128, ge=1)
    """The first so many that are held out, by shard; packs are by hash, so they are as good as any."""


class LevelsConfig(ValidationConfig, frozen=True, extra="forbid"):
    """The same of a diffusion model, by how much noise there is."""

    levels: int = Field(default=10, ge=1)
    """Equal spans of the noise's share, `sigma / (alpha + sigma)`, from none to all."""


class SamplesConfig(SamplingConfig, frozen=True, extra="forbid"):
    """Draw a grid with the averaged weights; the other keys are those of sampling."""

    every_images: int = Field(ge=1)
    prompts: tuple[str, ...] = Field(min_length=1)


class WandbConfig(BaseModel, frozen=True, extra="forbid"):
    """Report to Weights & Biases too (`pip install wandb`), which sends what it is told to a server."""

    project: str = Field(min_length=1)
    entity: str | None = None


class WatchConfig(BaseModel, frozen=True, extra="forbid"):
    """Tables that are left out are off. The log and TensorBoard's files are always written."""

    validation: ValidationConfig | None = None
    wandb: WandbConfig | None = None

    def intervals(self) -> dict[str, int]:
        """Return key -> every so many images, each of which must be a multiple of `machine.log_every_images`."""
        tables = {name: getattr(self, name) for name in type(self).model_fields}
        return {
            f"watch.{name}.every_images": table.every_images
            for name, table in tables.items()
            if hasattr(table, "every_images")
        }


class DiffusionWatchConfig(WatchConfig, frozen=True, extra="forbid"):
    """The same of a diffusion model, which can draw."""

    validation: LevelsConfig | None = None
    samples: SamplesConfig | None = None
