"""What a place holds that is to be exported. Loads nothing large."""

from pathlib import Path

from byline.diffusion.checkpoint import INFO, checkpoint_names


def is_checkpoint(place: str) -> bool:
    """Tell whether this is a checkpoint or a run, and not a release."""
    folder = Path(place)
    return (folder / INFO).is_file() or bool(checkpoint_names(folder))
