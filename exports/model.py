"""Write a checkpoint as a folder that diffusers or transformers loads with no code of ours.

Equal checkpoints give equal bytes.
"""

from dataclasses import dataclass
from pathlib import Path

from diffusers import UNet2DConditionModel

from byline.catalog.corpora.manifest import Release
from byline.catalog.digests import sha256_hex
from byline.catalog.errors import CheckpointError, CorpusError
from byline.diffusion.autoencoder import load_autoencoder
from byline.diffusion.checkpoint import CheckpointInfo, open_checkpoint, require_trained_on
from byline.diffusion.pixel_space import PixelSpace
from byline.diffusion.provenance import write_provenance
from byline.diffusion.sampling import TextToImage, dtype_of
from byline.exports.card import card
from byline.exports.destination import new_folder
from byline.exports.text_encoder import write_text_encoder

PAPERS = ("LICENSE.md", "credits.txt", "credits.html", "credits.parquet")
"""What of a release a model hands on: who made the pictures, and under which licenses."""
DATA = "data"


@dataclass(frozen=True, kw_only=True)
class ModelExport:
    """What to write of a checkpoint."""

    averaged: bool = True
    """The EMA weights, or the last ones."""
    precision: str = "fp32"
    release: Release | None = None
    """The release that it was trained on, whose credits and licenses are copied."""
    reports: tuple[Path, ...] = ()
    """Measurements of this checkpoint, as `byline.evaluation` and `byline.audits` print them."""


def export_model(checkpoint: str, destination: str, what: ModelExport) -> CheckpointInfo:
    """Write the checkpoint, or the newest one of a run, to a new folder; return what it is.

    Raises `CheckpointError` for a damaged one, `CorpusError` when `what.release` is not the one that it was trained
    on, `ConfigError` when the folder is not new.
    """
    folder, info = open_checkpoint(checkpoint, for_resuming=False)
    if what.release is not None:
        require_trained_on(info, what.release)
    with new_folder(Path(destination)) as out:
        _write_weights(folder, info, out, what)
        write_provenance(out, info)
        papers = _copy_papers(what.release, out)
        (out / "README.md").write_bytes(card(folder, info, what.release, papers, what.reports, what.precision))
    return info


def _write_weights(folder: Path, info: CheckpointInfo, out: Path, what: ModelExport) -> None:
    if info.kind == "autoencoder":
        vae = load_autoencoder(str(folder / ("vae_ema" if what.averaged else "vae")))
        vae.to(dtype_of(what.precision)).save_pretrained(out)
        return
    if info.kind == "text_encoder":
        write_text_encoder(folder, out, averaged=what.averaged, dtype=dtype_of(what.precision))
        return
    model = TextToImage.load(folder, averaged=what.averaged, precision=what.precision)
    if not isinstance(model.unet, UNet2DConditionModel) or isinstance(model.autoencoder, PixelSpace):
        what_it_is = "a model of pixels" if isinstance(model.autoencoder, PixelSpace) else "a transformer"
        raise CheckpointError(
            f"{folder} is {what_it_is}, which diffusers has no pipeline for; draw with byline sample, or train "
            "a [unet] with an autoencoder to hand on"
        )
    model.pipeline().save_pretrained(out)


def _copy_papers(release: Release | None, out: Path) -> list[str]:
    """Copy the release's papers, checked; return their names."""
    if release is None:
        return []
    (out / DATA).mkdir()
    names = [name for name in PAPERS if name in release.manifest.papers]
    for name in names:
        data = release.store.read_bytes(f"{release.path}/{name}")
        if sha256_hex(data) != release.manifest.papers[name]:
            raise CorpusError(f"{release.store.url(f'{release.path}/{name}')} is damaged: build the release again")
        (out / DATA / name).write_bytes(data)
    return names
