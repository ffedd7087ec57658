"""What is installed beside byline and extends it: each extension, loaded, and what is wrong with it."""

from typing import NamedTuple

from byline.captioning.added import OURS as CAPTIONER_NAMES
from byline.captioning.added import CaptionWriter
from byline.catalog.configs.extensions import (
    CAPTIONERS,
    GROUPS,
    METRICS,
    RULES,
    SOURCES,
    Extension,
    check_plain,
    clash,
    installed,
)
from byline.catalog.errors import BylineError
from byline.catalog.policies.custom_rules import Rule
from byline.catalog.policies.rules import FIRST_WORDS
from byline.dedup.metrics import Metric
from byline.pipelines.sources.readers import READERS
from byline.pipelines.sources.readers.added import added_reader


class FoundExtension(NamedTuple):
    """One entry point of one of the groups."""

    group: str
    name: str
    distribution: str
    version: str
    problem: str | None
    """One line; None when it can be used."""


def found_extensions() -> list[FoundExtension]:
    """Return every extension that is installed, by group and name. Each is imported, to know whether that works."""
    return [
        FoundExtension(extension.group, extension.name, extension.distribution, extension.version, _problem(extension))
        for group in GROUPS
        for extension in installed(group)
    ]


def _problem(extension: Extension) -> str | None:
    ours = {SOURCES: READERS, CAPTIONERS: CAPTIONER_NAMES, METRICS: FIRST_WORDS, RULES: FIRST_WORDS}
    if problem := clash(extension, list(ours[extension.group])):
        return problem
    try:
        match extension.group:
            case "byline.sources":
                added_reader(extension)
            case "byline.captioners":
                extension.load_model(CaptionWriter)
            case "byline.metrics":
                check_plain(extension)
                extension.load_model(Metric)
            case "byline.rules":
                check_plain(extension)
                extension.load_model(Rule)
    except BylineError as error:
        return str(error)
    return None
