"""Write the averaged autoencoder of a run as a small model folder: float16 safetensors, in diffusers' layout.

python -m byline.training.export demo/autoencoder samples/models/tiny-vae
"""

import sys

from byline.catalog.errors import BylineError, CheckpointError
from byline.diffusion.autoencoder import load_autoencoder
from byline.diffusion.checkpoint import open_checkpoint


def export_autoencoder(checkpoint: str, destination: str) -> None:
    """Halve the precision of the newest averaged weights and save them; equal checkpoints give equal bytes."""
    folder, info = open_checkpoint(checkpoint)
    if info.kind != "autoencoder":
        raise CheckpointError(f"{folder} holds a {info.kind} model; name an autoencoder's run")
    load_autoencoder(str(folder / "vae_ema")).half().save_pretrained(destination)
    print(f"{destination} (checkpoint {info.digest[:12]}, {info.images_seen} images seen)")


if __name__ == "__main__":
    try:
        export_autoencoder(*sys.argv[1:])
    except BylineError as error:
        sys.exit(f"byline: {error}")
