"""JSON from outside: one kind of error for all that is none."""

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """Return what JSON says. Raises `ValueError` for what is none, and for what is nested deeper than Python reads."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
