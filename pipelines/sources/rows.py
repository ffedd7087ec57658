"""Reading one row of a source, so that a row that cannot be read is told and costs nothing else."""

from collections.abc import Callable, Mapping
from typing import Any

from catalog.records import ImageRecord, UnreadableRow


def read_row(read: Callable[[], ImageRecord], *, place: str) -> ImageRecord | UnreadableRow:
    """Return what `read` gives, or why it could not: a missing field, or a value of another kind."""
    try:
        return read()
    except KeyError as error:
        return UnreadableRow(place=place, problem=f"no {error.args[0]}")
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        return UnreadableRow(place=place, problem=str(error).split("\n")[0][:200])


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
