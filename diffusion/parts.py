"""What a model uses and did not train: whose it is, as its card says when a run begins. A checkpoint keeps it."""

from dataclasses import dataclass
from pathlib import Path

import yaml
from huggingface_hub import metadata_load, try_to_load_from_cache
from pydantic import BaseModel, Field, ValidationError

from byline.catalog.digests import canonical_json
from byline.catalog.errors import CheckpointError
from byline.catalog.json_text import parse_json
from byline.diffusion.configs import OFFLINE
from byline.diffusion.provenance import read_provenance
from byline.diffusion.sources import ModelSource
from byline.diffusion.text import TextEncoder

FOLDER, FILE = "parts", "parts.json"
NOT_STATED = "not stated"


class FrozenPart(BaseModel, frozen=True, extra="forbid"):
    """One model that is used as it came."""

    name: str
    """The folder's last name, or the hub's or the package's; no path of a machine."""
    revision: str = ""
    license: str = NOT_STATED
    """The license as the model card says it, which byline does not judge."""
    trained_on: str = ""
    """Digests of the releases, oldest first, with spaces between, for what byline trained."""
    checkpoint: str = Field(default="", exclude_if=lambda digest: not digest)
    """Digest of the checkpoint, for what byline trained and a checkpoint or an export says so."""
    perceptual_model: str = Field(default="", exclude_if=lambda digest: not digest)
    """Digest of the weights of what the perceptual loss of an autoencoder looked with."""

    @property
    def is_of_releases(self) -> bool:
        """Whether releases, and nothing else, have taken part in its training."""
        return bool(self.trained_on) and not self.perceptual_model


@dataclass(frozen=True)
class FrozenParts:
    """All of a model, by role. Saved like a model, beside those of a checkpoint."""

    parts: dict[str, FrozenPart]

    def save_pretrained(self, folder: str | Path, **_: object) -> None:
        """Write them as JSON."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        plain = {role: part.model_dump() for role, part in self.parts.items()}
        (Path(folder) / FILE).write_bytes(canonical_json(plain) + b"\n")


def read_parts(checkpoint: Path) -> dict[str, FrozenPart]:
    """Return the parts that a checkpoint keeps; none of one from before they were kept."""
    path = checkpoint / FOLDER / FILE
    if not path.is_file():
        return {}
    try:
        return {role: FrozenPart.model_validate(part) for role, part in parse_json(path.read_bytes()).items()}
    except (ValueError, AttributeError, ValidationError) as error:
        raise CheckpointError(f"{path} is damaged; delete {checkpoint}") from error


def parts_of(autoencoder: ModelSource | None, text_encoder: TextEncoder) -> FrozenParts:
    """Say whose the models are that a diffusion model uses. Roles are those of its checkpoint's provenance."""
    name = OFFLINE if text_encoder.config.name == OFFLINE else ""
    if text_encoder.provenance is not None:  # of a run the folder that its name tells, and not that of a checkpoint
        name = Path(text_encoder.config.name).name
    parts = {"text_encoder": describe(text_encoder.source, name)}
    return FrozenParts(parts if autoencoder is None else {"autoencoder": describe(autoencoder), **parts})


def describe(source: ModelSource, name: str = "") -> FrozenPart:
    """Say whose the model at `source` is. `name` is for one whose place does not tell it."""
    folder = source.folder.resolve() if source.folder else None
    source_name = "/".join(filter(None, (source.name, source.subfolder))) if folder is None else folder.name
    provenance = None if folder is None else read_provenance(folder)
    return FrozenPart(
        name=name or source_name,
        revision=source.revision,
        license=_license(source),
        trained_on="" if provenance is None else " ".join(provenance.releases),
        checkpoint="" if provenance is None else provenance.checkpoint,
        perceptual_model="" if provenance is None else provenance.perceptual_model,
    )


def _license(source: ModelSource) -> str:
    """Return the license of the card: of the folder, of what it is a folder of, or of the hub's repository."""
    cards = [str(source.folder / "README.md"), str(Path(source.name) / "README.md")] if source.folder else []
    if source.folder is None and source.name.count("/") == 1:
        cached = try_to_load_from_cache(source.name, "README.md", revision=source.revision or None)
        cards = [cached] if isinstance(cached, str) else []
    for card in filter(lambda card: Path(card).is_file(), cards):
        try:
            stated = metadata_load(card) or {}
        except (ValueError, yaml.YAMLError):
            continue
        license, name = stated.get("license"), stated.get("license_name")
        if license:
            return str(name) if license == "other" and name else str(license)
    return NOT_STATED
