"""What folders say of the rows below them: `license=CC0/part-0.parquet`, as Hive, Spark and pyarrow write tables."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any
from urllib.parse import unquote

NOTHING = "__HIVE_DEFAULT_PARTITION__"


def partition_of(file: str) -> dict[str, str]:
    """Return the names and values that the folders right above a file have, the innermost first to count.

    Only folders in one run, up from the file, are asked: where a table is kept says nothing of it.
    """
    partition: dict[str, str] = {}
    for part in reversed(PurePath(file).parts[:-1]):
        name, equals, value = part.partition("=")
        if not (name and equals):
            break
        if value != NOTHING:
            partition.setdefault(unquote(name), unquote(value))
    return partition


def with_partition(row: dict[str, Any], partition: Mapping[str, str]) -> dict[str, Any]:
    """Return a row with what its folders say. Raises `ValueError` where it says something else of the same name."""
    for name, value in partition.items():
        if (own := row.get(name)) not in (None, "") and str(own) != value:
            raise ValueError(f"{name} is {own!r:.60}, and {value!r:.60} in the name of its folder")
    return {**row, **partition} if partition else row
