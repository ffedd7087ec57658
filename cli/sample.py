"""byline sample"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from byline.catalog.bars import bar

if TYPE_CHECKING:
    from byline.diffusion.configs import SamplingConfig
    from byline.diffusion.sampling import TextToImage


def sample(
    checkpoint: Annotated[str, typer.Argument(help="A checkpoint folder, or a run folder for its newest.")],
    prompt: Annotated[list[str] | None, typer.Option(help="What to draw; give it several times.")] = None,
    prompts: Annotated[Path | None, typer.Option(help="A file with a prompt a line; OUT is a folder.")] = None,
    out: Annotated[str | None, typer.Option(help="The PNG (grid.png), or with --prompts the folder (drawn).")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the first picture's noise; each next one has the next.")] = 0,
    steps: Annotated[int, typer.Option(min=1, help="Of the sampler, for each picture.")] = 25,
    guidance_scale: Annotated[
        float, typer.Option(min=1.0, help="How much the words count; 1 is without guidance.")
    ] = 4.0,
    guidance_rescale: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="How far guidance is kept from adding contrast.")
    ] = 0.0,
    guidance_interval: Annotated[
        tuple[float, float], typer.Option(help="Parts of the noise between which words count so; 1 is all noise.")
    ] = (0.0, 1.0),
    sampler: Annotated[str, typer.Option(help="ddim, dpm++, euler or heun.")] = "dpm++",
    images_per_prompt: Annotated[int, typer.Option(min=1, help="Pictures of each prompt.")] = 1,
    averaged: Annotated[bool, typer.Option(help="Sample from the EMA of the weights.")] = True,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1; left out, a GPU where there is one.")] = None,
    precision: Annotated[str, typer.Option(help="fp32, bf16 or fp16: of the weights, and computed in.")] = "fp32",
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures drawn at once.")] = 16,
    width: Annotated[int | None, typer.Option(min=8, help="Pixels; the model's square when left out.")] = None,
    height: Annotated[int | None, typer.Option(min=8, help="Pixels, as --width.")] = None,
    ranks: Annotated[int, typer.Option(min=1, help="With --prompts: processes of this machine that draw.")] = 1,
) -> None:
    """Draw pictures for prompts. The same arguments give the same bytes on the same machine.

    With --prompt one labelled PNG; with --prompts a folder of PNGs that goes on where it was stopped, filled by --ranks
    processes, or by those of torchrun or srun, each on a GPU of its own.

    Example: byline sample demo/run --prompt "a red circle" --prompt "a flag" --out grid.png
    """
    from byline.catalog.configs.extras import needs
    from byline.catalog.configs.loading import parse_config
    from byline.catalog.errors import ConfigError

    with needs("train", "byline sample"):
        from byline.diffusion.configs import SamplingConfig
        from byline.diffusion.sampling import default_device

    settings = {
        "sampler": sampler,
        "num_inference_steps": steps,
        "guidance_scale": guidance_scale,
        "guidance_rescale": guidance_rescale,
        "guidance_interval": guidance_interval,
        "images_per_prompt": images_per_prompt,
        "seed": seed,
        "batch_size": batch_size,
        "width_px": width,
        "height_px": height,
    }
    config = parse_config(settings, SamplingConfig, where="byline sample")
    device = device or default_device(int(os.environ.get("LOCAL_RANK", 0)))
    drawer = _Drawer(checkpoint=checkpoint, averaged=averaged, device=device, precision=precision)
    if (prompt is None) == (prompts is None):
        raise ConfigError("say what to draw: either --prompt WORDS, or --prompts FILE with a prompt a line")
    if prompts is not None:
        raise typer.Exit(_draw_folder(drawer, prompts, out or "drawn", config, ranks))
    if ranks > 1:
        raise ConfigError("--ranks is for --prompts FILE; one PNG is drawn by one process")
    _draw_grid(drawer, prompt or [], Path(out or "grid.png"), config)


@dataclass(frozen=True, kw_only=True)
class _Drawer:
    """What draws, before it is loaded."""

    checkpoint: str
    averaged: bool
    device: str
    precision: str

    def load(self) -> "TextToImage":
        from byline.diffusion.sampling import TextToImage

        return TextToImage.load(self.checkpoint, averaged=self.averaged, device=self.device, precision=self.precision)


def _draw_grid(drawer: _Drawer, prompts: list[str], out: Path, config: "SamplingConfig") -> None:
    from byline.diffusion.grid import grid_png

    model = drawer.load()
    with _drawing(len(prompts) * config.images_per_prompt) as advance:
        pictures = model.sample(prompts, config, advance).numpy()
    where = f"{drawer.device} {drawer.precision}"
    notes = {"byline": config.model_dump_json(), "byline checkpoint": model.info.digest, "byline device": where}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(grid_png(pictures, prompts, notes=notes))
    print(f"{out} ({len(pictures)} pictures, checkpoint {model.info.digest[:12]})")


def _draw_folder(drawer: _Drawer, file: Path, out: str, config: "SamplingConfig", ranks: int) -> int:
    """Draw what this process has to draw, or start the processes that do; return an exit code."""
    from byline.diffusion.checkpoint import open_checkpoint
    from byline.diffusion.drawn import DrawnFolder
    from byline.training.launching import is_launched, launch

    rank, size = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE")) if is_launched() else (0, 1)
    digest = open_checkpoint(drawer.checkpoint)[1].digest
    kind = drawer.device.split(":")[0]
    about = {"checkpoint": digest, "averaged": str(drawer.averaged), "precision": drawer.precision, "device": kind}
    folder = DrawnFolder(out, _lines_of(file), config, about)
    if ranks > 1 and not is_launched():
        failure = launch("byline.cli.main", sys.argv[1:], num_ranks=ranks)
        if failure is not None:
            print(f"byline: process {failure.rank} ended; run the same command to go on", file=sys.stderr)
            return 2
    elif left := folder.left(rank, size):
        model = drawer.load()
        with _drawing(sum(map(len, left)), shown=rank == 0) as advance:
            folder.draw(model, left, advance)
    if not is_launched():
        print(f"{out} ({folder.num_pictures} pictures, checkpoint {digest[:12]})")
    return 0


def _lines_of(file: Path) -> list[str]:
    from byline.catalog.errors import ConfigError

    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {file}: {getattr(error, 'strerror', None) or error}") from error
    prompts = [line for line in lines if line]
    if not prompts:
        raise ConfigError(f"{file} holds no prompt; write one a line")
    return prompts


@contextmanager
def _drawing(total: int, *, shown: bool = True) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("draw"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with bar(*columns, shown=shown) as progress:
        task = progress.add_task("draw", total=total)
        yield lambda more: progress.advance(task, more)
