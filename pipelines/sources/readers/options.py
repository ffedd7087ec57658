"""What a config may say of how a source is read."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel

FIELDS = (
    *("id", "url", "landing_url", "license", "license_url", "title", "creator", "creator_url"),
    *("description", "tags", "width", "height", "retrieved_at"),
)
"""What a column may be: a field of `catalog.corpora.records.ImageRecord`, one of its license claims, or when it was
retrieved. Where bytes lie (`held`) is never taken from what a row says."""


def _known_fields(columns: dict[str, str]) -> dict[str, str]:
    if unknown := sorted(set(columns) - set(FIELDS)):
        raise ValueError(f"no field {unknown[0]!r}; the fields are {', '.join(FIELDS)}")
    return columns


class ReadOptions(BaseModel, frozen=True, extra="forbid"):
    """Part of the digest of an ingest run: other options, other records."""

    columns: Annotated[dict[str, str], AfterValidator(_known_fields)] = {}
    """Field of a record (`FIELDS`) -> column of the file, for the readers of tables."""
    save_additional_columns: tuple[str, ...] = ()
    """Columns to keep beside the fields, as img2dataset names it. Coordinates and account secrets come in so only."""


AS_IT_IS = ReadOptions()
