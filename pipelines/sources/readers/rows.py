"""Reading one row of a source, so that a row that cannot be read is told and costs nothing else."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from byline.catalog.corpora.records import ImageRecord, UnreadableRow
from byline.catalog.digests import canonical_json
from byline.catalog.errors import SourceError
from byline.pipelines.sources.readers.options import ReadOptions

RowT = TypeVar("RowT")


def read_row(read: Callable[[], ImageRecord], *, place: str) -> ImageRecord | UnreadableRow:
    """Return what `read` gives, or why it could not: a missing field, or a value of another kind."""
    try:
        return read()
    except KeyError as error:
        return UnreadableRow(place=place, problem=f"no {error.args[0]}")
    except ValueError as error:
        return UnreadableRow(place=place, problem=str(error).split("\n")[0][:200])
    except (TypeError, AttributeError, IndexError, RecursionError) as error:
        return UnreadableRow(place=place, problem=f"of another shape than expected: {error}".split("\n")[0][:200])


def in_file(rows: Iterable[RowT], file: str, *, of: str) -> Iterator[RowT | UnreadableRow]:
    """Yield the rows of one of the files of a source; those that are unreadable say of which, where `of` is not it."""
    for row in rows:
        yield replace(row, place=f"{file} {row.place}") if file != of and isinstance(row, UnreadableRow) else row


def text_at(row: Mapping[str, Any], name: str) -> str | None:
    """Return a field of text, none when it is missing or empty. Raises `ValueError` for anything else."""
    value = row.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ValueError(f"{name} is not text: {value!r:.60}")
    return value


def needed_text(row: Mapping[str, Any], name: str) -> str:
    """Return a field of text. Raises `KeyError` when there is none."""
    text = text_at(row, name)
    if text is None:
        raise KeyError(name)
    return text


def extras_of(row: Mapping[str, Any], options: ReadOptions) -> tuple[tuple[str, str], ...]:
    """Return what a row of named values has of `save_additional_columns`: text as it is, the rest as JSON."""
    named = ((name, row.get(name)) for name in options.save_additional_columns)
    stated = ((name, value) for name, value in named if value is not None and value != "")
    return tuple((name, value if isinstance(value, str) else canonical_json(value).decode()) for name, value in stated)


def refuse_columns(options: ReadOptions, source: str, kind: str) -> None:
    """Raise `SourceError` when the config names columns of what has fields of its own."""
    if options.columns:
        raise SourceError(f"source {source}: the fields of {kind} are known; remove `columns` from the config")
