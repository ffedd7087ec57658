"""What a config may say of how a source is read."""

from pydantic import BaseModel


class ReadOptions(BaseModel, frozen=True, extra="forbid"):
    """Part of the digest of an ingest run: other options, other records."""

    columns: dict[str, str] = {}
    """Field of `catalog.records.ImageRecord` -> column of the file, for the readers of tables."""
    save_additional_columns: tuple[str, ...] = ()
    """Columns to keep beside the fields, as img2dataset names it. Coordinates and account secrets come in so only."""


AS_IT_IS = ReadOptions()
