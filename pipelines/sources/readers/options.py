"""What a config may say of how a source is read."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, model_validator

from byline.catalog.errors import SourceError

FIELDS = (
    *("id", "url", "landing_url", "license", "license_url", "title", "creator", "creator_url"),
    *("description", "tags", "width", "height", "retrieved_at"),
)
"""What a column may be: a field of `catalog.corpora.records.ImageRecord`, one of its license claims, or when it was
retrieved. Where bytes lie (`held`) is never taken from what a row says."""


PICTURE = "picture"
"""What a column of Parquet may be beside `FIELDS`: the pictures themselves (`sources.cells`)."""
FOR_TEXT = ("delimiter", "quoting", "column_names")
"""What is said of files of text alone: of the reader csv."""


def _known_fields(columns: dict[str, str]) -> dict[str, str]:
    if unknown := sorted(set(columns) - {*FIELDS, PICTURE}):
        raise ValueError(f"no field {unknown[0]!r}; the fields are {', '.join(FIELDS)}, and {PICTURE} in Parquet")
    return columns


class ReadOptions(BaseModel, frozen=True, extra="forbid"):
    """Part of the digest of an ingest run: other options, other records."""

    columns: Annotated[dict[str, str], AfterValidator(_known_fields)] = {}
    """Field of a record (`FIELDS`) -> column of the file, for the readers of tables."""
    save_additional_columns: tuple[str, ...] = ()
    """Columns to keep beside the fields, as img2dataset names it. Coordinates and account secrets come in so only."""
    ignore_columns: tuple[str, ...] = ()
    """Columns, or names beside and in pictures, that are taken for no field, whatever they are called."""
    delimiter: Literal["told", ",", ";", "\t", "|"] = "told"
    """What is between the columns of a table of text: told from its header, or this."""
    quoting: Literal["told", "double", "none"] = "told"
    """Whether `"` wraps texts of a table of text (`double`) or is a letter like others (`none`): told, or this."""
    column_names: tuple[str, ...] = ()
    """Names of the columns of a table of text that has no header row."""

    @model_validator(mode="after")
    def _is_not_taken(self) -> Self:
        """Raise `ValueError` for a column that is to be ignored and taken."""
        if both := sorted(set(self.ignore_columns) & {*self.columns.values(), *self.save_additional_columns}):
            raise ValueError(f"{both[0]!r} is in ignore_columns and is taken as well; name it in one place")
        return self

    @property
    def identity(self) -> dict[str, Any]:
        """What of it can change a record, as it enters digests: what is not set is not in it, save what always was."""
        options = self.model_dump(exclude_defaults=True)
        return {"columns": {}, "save_additional_columns": (), **options}

    def refuse_for(self, reader: str) -> None:
        """Raise `SourceError` when something is said that this reader of ours has no use for."""
        for name in FOR_TEXT if reader != "csv" else ():
            if getattr(self, name) != type(self).model_fields[name].default:
                raise SourceError(f"{name} is for the reader csv, and this is {reader}; remove it from the config")
        if PICTURE in self.columns and reader != "parquet":
            raise SourceError(f"columns.{PICTURE} is for the reader parquet, and this is {reader}; remove it")


AS_IT_IS = ReadOptions()
