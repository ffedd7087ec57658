"""The YAML block at the head of a card."""

from collections.abc import Mapping
from typing import Any

import yaml

from byline.catalog.errors import CorpusError


def front_matter(text: str, where: str) -> Mapping[str, Any]:
    """Return what the block between the first two `---` says; nothing when a card has none.

    Raises `CorpusError` when it is not YAML or not a table. `where` is the file's name, for the message.
    """
    lines = text.lstrip("\ufeff").splitlines()
    if not lines or lines[0].strip() != "---":
        return {}
    end = next((number for number, line in enumerate(lines[1:], 1) if line.strip() == "---"), None)
    if end is None:
        return {}
    try:
        stated = yaml.safe_load("\n".join(lines[1:end]))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CorpusError(f"{where}: its front matter is not YAML ({first}); mend it") from error
    if stated is None:
        return {}
    if not isinstance(stated, Mapping):
        raise CorpusError(f"{where}: its front matter is a {type(stated).__name__}, not a table; mend it")
    return {str(key): value for key, value in stated.items()}
