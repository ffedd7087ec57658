"""Folders of model weights: what may be loaded from one."""

from pathlib import Path

from byline.catalog.errors import CheckpointError

_PICKLED = frozenset(".bin .pt .pth .ckpt .pkl .pickle".split())
_ZIP = b"PK\x03\x04"


def safetensors_folder(model: str, revision: str, *, what: str) -> Path | None:
    """Return the folder that `model` names, which has safetensors; None for a hub id that `revision` pins.

    Raises `CheckpointError`, which speaks of `what`, for a folder without safetensors and a hub id without a commit.
    """
    folder = Path(model)
    if not folder.is_dir():
        if revision:
            return None
        raise CheckpointError(f"no folder {model!r} with {what}; name one, or a hub id with its commit as revision")
    weights = sorted(folder.glob("*.safetensors"))
    if code := next((path for path in weights if starts_like_code(path)), None):
        raise CheckpointError(f"{code} is a pickle or an archive, whatever it is called; save it again as safetensors")
    if not weights:
        pickled = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in _PICKLED)
        contents = f"only pickled weights ({', '.join(pickled)})" if pickled else "no weights"
        raise CheckpointError(f"{model} holds {contents}; save it again as safetensors, pickles can run code")
    return folder


def starts_like_code(path: Path) -> bool:
    """Tell whether a file begins as pickles (protocol 2 on) or zip archives do, which torch.save makes.

    The header of safetensors begins after its length, which may have the bytes of a pickle.
    """
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(9)
    if start[8:] == b"{":
        return False
    return start.startswith(_ZIP) or (len(start) > 1 and start[0] == 0x80 and 2 <= start[1] <= 5)
