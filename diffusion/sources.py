"""Where a frozen model lies: a folder, a package, or a repository of a hub, whole or one folder of it."""

from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, model_validator

from byline.catalog.configs.places import ModelPlace


class ModelSource(BaseModel, frozen=True, extra="forbid"):
    """A model to load. In a config the name alone will do."""

    name: ModelPlace
    subfolder: str = ""
    """Where in the folder or the repository it lies, as `vae` in those of diffusers' pipelines."""
    revision: str = ""
    """Commit, tag or branch of a hub's repository. Only a commit stays what it is."""

    @model_validator(mode="before")
    @classmethod
    def _from_a_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _inside_of_what_it_names(self) -> "ModelSource":
        inside = PurePosixPath(self.subfolder)
        if inside.is_absolute() or ".." in inside.parts:
            raise ValueError(f"subfolder {self.subfolder!r} leads out of {self.name}; name a folder in it")
        if self.revision and self.folder is not None:
            raise ValueError(
                f"revision {self.revision!r} is of a hub's repository, and {self.name} is a folder; remove it"
            )
        return self

    @property
    def folder(self) -> Path | None:
        """The folder that it lies in, `subfolder` included; None for one on a hub or in a package."""
        path = Path(self.name)
        is_path = self.name.startswith((".", "/", "~")) or self.name.count("/") > 1 or path.is_dir()
        return path.expanduser() / self.subfolder if is_path else None

    def beside(self, subfolder: str) -> "ModelSource":
        """Return another folder of the same folder or repository."""
        return ModelSource(name=self.name, subfolder=subfolder, revision=self.revision)

    def options(self) -> dict[str, str]:
        """Return what `from_pretrained` is told beside the name."""
        return {key: value for key in ("subfolder", "revision") if (value := getattr(self, key))}

    def __str__(self) -> str:
        """Return it as a message names it."""
        at = f" at {self.revision}" if self.revision else ""
        return f"{self.name}{'/' if self.subfolder else ''}{self.subfolder}{at}"
