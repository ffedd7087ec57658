"""Saved answers of a web API: one JSON file with one answer or a list of answers."""

import json
from typing import Any

from catalog.errors import SourceError


def read_answers(path: str) -> list[dict[str, Any]]:
    """Return the saved answers of a file. Raises `SourceError` when it is missing or holds something else."""
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except FileNotFoundError as error:
        raise SourceError(f"no source file at {path}; check `path` in the corpus config") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} is not JSON: {error}; fetch it again") from error
    answers = content if isinstance(content, list) else [content]
    if not all(isinstance(answer, dict) for answer in answers):
        raise SourceError(f"{path} holds no API answers; expected an object or a list of objects")
    return answers
