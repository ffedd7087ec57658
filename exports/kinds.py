"""What a place holds that is to be exported. Loads nothing large."""

from byline.catalog.disk.storage import Store
from byline.diffusion.checkpoint import INFO, checkpoint_names


def is_checkpoint(location: str) -> bool:
    """Tell whether this folder or URL is a checkpoint or a run, and not a release."""
    return Store(location.rstrip("/") or "/").exists(INFO) or bool(checkpoint_names(location))
