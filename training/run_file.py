"""What a run says of itself beside its logs, from its first second on: `<run>/run.json`. Loads no torch."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from byline.catalog.corpora.manifest import SPLITS, Release
from byline.catalog.corpora.written import RUN_FILE
from byline.catalog.errors import CheckpointError
from byline.training.config import TrainConfig


class RunFile(BaseModel, frozen=True, extra="forbid"):
    """What was asked for, on what, and on how many ranks it trains now; a resumed run writes it again."""

    config: dict[str, Any]
    """All of it, places and machine too."""
    release_name: str
    release_version: str
    release_digest: str
    num_train: int
    num_heldout: int
    num_ranks: int
    device: str

    def write(self, run: Path) -> None:
        """Write it into the folder of the run."""
        run.mkdir(parents=True, exist_ok=True)
        partial = run / f"{RUN_FILE}.partial"
        partial.write_text(self.model_dump_json(indent=1) + "\n")
        partial.replace(run / RUN_FILE)


def describe(config: TrainConfig, release: Release, num_ranks: int, device: str) -> RunFile:
    """Return what a run says of itself."""
    counts = {split: sum(shard.num_samples for shard in release.shards(split)) for split in SPLITS}
    return RunFile(
        config=config.model_dump(mode="json"),
        release_name=release.name,
        release_version=release.version,
        release_digest=release.manifest.digest,
        num_train=counts["train"],
        num_heldout=counts["heldout"],
        num_ranks=num_ranks,
        device=device,
    )


def read_run_file(run: Path) -> RunFile | None:
    """Return what a run says of itself; None of one that an older byline trained."""
    path = run / RUN_FILE
    try:
        return RunFile.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise CheckpointError(f"{path} is damaged; delete it, the next byline train of this run writes it") from error
