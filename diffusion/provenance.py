"""What byline says of a model that it trained, wherever the model's folder lies: in a checkpoint, or exported."""

from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from byline.catalog.digests import canonical_json
from byline.catalog.errors import CheckpointError
from byline.diffusion.checkpoint import INFO, CheckpointInfo, Kind

FILE = "provenance.json"
PERCEPTUAL = "perceptual_model"
"""What the perceptual loss of an autoencoder looked with, by its role in the provenance of a checkpoint."""


class Provenance(BaseModel, frozen=True, extra="forbid"):
    """Which checkpoint a model is of, and what that has seen: `provenance.json` of what `byline export` writes."""

    kind: Kind
    checkpoint: str
    """Its digest, or as much of it as is known."""
    releases: tuple[str, ...]
    """Digests of the releases that the weights have seen, oldest first, or as much of them as is known."""
    perceptual_model: str = Field(default="", exclude_if=lambda digest: not digest)
    """Digest of the weights of what the perceptual loss looked with: what trained these has taken part."""


def provenance_of(info: CheckpointInfo) -> Provenance:
    """Return what is said of the models of a checkpoint."""
    releases = dict.fromkeys(part.release_digest for part in info.lineage)
    return Provenance(
        kind=info.kind,
        checkpoint=info.digest,
        releases=tuple(releases),
        perceptual_model=info.provenance.get(PERCEPTUAL, ""),
    )


def write_provenance(folder: Path, info: CheckpointInfo) -> None:
    """Write it into the folder of a model."""
    (folder / FILE).write_bytes(canonical_json(provenance_of(info).model_dump(mode="json")) + b"\n")


def read_provenance(folder: Path) -> Provenance | None:
    """Return what is said of the model in a folder; None where byline did not train it.

    Raises `CheckpointError`, one line, for what cannot be read.
    """
    try:
        if (folder / FILE).is_file():
            return Provenance.model_validate_json((folder / FILE).read_bytes())
        if (folder.parent / INFO).is_file():
            return provenance_of(CheckpointInfo.model_validate_json((folder.parent / INFO).read_bytes()))
    except (OSError, ValidationError) as error:
        raise CheckpointError(f"what {folder} says of its training is damaged; get a whole copy") from error
    return None
