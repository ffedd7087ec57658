"""Folders of model weights: what may be loaded from one."""

from pathlib import Path

from byline.catalog.errors import CheckpointError

_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")


def safetensors_folder(model: str, revision: str, *, what: str) -> Path | None:
    """Return the folder that `model` names, which has safetensors; None for a hub id that `revision` pins.

    Raises `CheckpointError`, which speaks of `what`, for a folder without safetensors and a hub id without a commit.
    """
    folder = Path(model)
    if not folder.is_dir():
        if revision:
            return None
        raise CheckpointError(f"no folder {model!r} with {what}; name one, or a hub id with its commit as revision")
    if not any(folder.glob("*.safetensors")):
        pickled = sorted(path.name for pattern in _PICKLED for path in folder.glob(pattern))
        contents = f"only pickled weights ({', '.join(pickled)})" if pickled else "no weights"
        raise CheckpointError(f"{model} holds {contents}; save it again as safetensors, pickles can run code")
    return folder
