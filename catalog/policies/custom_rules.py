"""Rules that people add to a policy: on numbers and words of the pictures that its claims admit.

A rule is a class (an entry point of the group `byline.rules`) whose fields are its settings:

    class Wordy(Rule):
        columns = ("title",)
        max_words: int

        def refused(self, columns):
            num_words = np.array([len((title or "").split()) for title in columns["title"]])
            return {"too-many": num_words > self.max_words}
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from byline.catalog.configs.extensions import RULES, Extension, check_plain, extension, in_a_line
from byline.catalog.errors import ConfigError, ExtensionError
from byline.catalog.policies.policy import Policy, RecordRules
from byline.catalog.policies.rules import FIRST_WORDS, Mask

NUMBERS = ("original_width", "original_height", "contrast", "flatness", "sharpness", "spread", "nsfw")
"""Columns of numbers that every rule may read: float64, not a number where nothing was measured."""
RECORD_WORDS = ("url", "landing_url", "title", "description", "creator", "creator_url", "extras")
"""Columns of words that a record says: text, or None. `extras` is JSON."""
METRIC = "metric:"
"""`metric:<name>` is the column of a metric of the corpus."""
SAID = "said:"
"""`said:<name>` is what joined rows call a column of `RECORD_WORDS`: they have a `creator` of their own."""
MAX_REASONS = 16
"""Most reasons that one rule may give; each takes a bit of a row's reasons."""
Columns = Mapping[str, npt.NDArray[Any]]


class Rule(BaseModel):
    """A rule on pictures. Its fields are its settings, `[rules.<name>]` of a policy."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: ClassVar[tuple[str, ...]] = ()
    """The columns that it reads: of `NUMBERS`, of `RECORD_WORDS`, or `metric:<name>`."""

    def refused(self, columns: Columns) -> Mapping[str, Mask]:
        """Return, for each reason why (`too-many`), which rows it refuses: a column of booleans as long as the others.

        It must depend on a row's own values and the settings alone: what rows come together is chance. Words are
        columns of text or None, numbers of float64. A reason in a verdict is `<name of the rule>:<why>`.
        """
        raise NotImplementedError


def rules_in_use(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[Extension, Rule]]:
    """Return the rules of `[rules.<name>]` tables. Raises a `BylineError` for one that is not installed, or not with
    these settings, or that reads a column which there is not."""
    rules = {}
    for name, settings in sorted(tables.items()):
        ext = extension(RULES, name, FIRST_WORDS)
        check_plain(ext)
        rule = ext.configured(Rule, settings, f"[rules.{name}]")
        for column in rule.columns:
            if column not in (*NUMBERS, *RECORD_WORDS) and not column.startswith(METRIC):
                known = ", ".join([*NUMBERS, *RECORD_WORDS])
                raise ExtensionError(f"{ext} reads {column!r}; a rule may read {known}, and {METRIC}<name>")
        rules[name] = ext, rule
    return rules


def makers_of_rules(policy: Policy, sources: Iterable[str]) -> dict[str, str]:
    """Return, for each rule that a policy has for these sources, `rule <name>`, and whose it is in which version.

    That is part of a release's manifest, since another version may refuse other pictures; settings are in the policy.
    """
    return {f"rule {name}": ext.made_by for name, ext in sorted(added_rules(policy, sources).items())}


def added_rules(policy: Policy, sources: Iterable[str]) -> dict[str, Extension]:
    """Return the rules of extensions that a policy has, for these sources or for all. Raises as `rules_in_use` does."""
    tables = [policy.rules, *(policy.rules_of(source).rules for source in sources)]
    return {name: ext for table in tables for name, (ext, _) in rules_in_use(table).items()}


def metrics_needed(rules: RecordRules) -> list[str]:
    """Return, sorted, the metrics without which some of these rules say nothing."""
    read = {column.removeprefix(METRIC) for column in columns_read(rules) if column.startswith(METRIC)}
    return sorted({*rules.metrics, *read})


def columns_read(rules: RecordRules) -> list[str]:
    """Return, sorted, what custom rules read of joined rows, by the names that columns have there."""
    read = {column for _, rule in rules_in_use(rules.rules).values() for column in rule.columns}
    return sorted(f"{SAID}{name}" if name in RECORD_WORDS else name for name in read)


def refuse_unmeasured(rules: RecordRules, metrics: Collection[str], where: str) -> None:
    """Raise `ConfigError` when a rule needs a metric that the corpus lacks: it would admit everything."""
    for name in metrics_needed(rules):
        if name not in metrics:
            table = f"[metrics.{name}]"
            raise ConfigError(
                f"{where}: a rule needs the metric {name!r}, which this corpus does not measure; add {table} to the "
                "corpus config, or leave the rule out"
            )


def custom_reasons(
    tables: Mapping[str, Mapping[str, Any]], column: Callable[[str], npt.NDArray[Any]], num_rows: int
) -> dict[str, Mask]:
    """Return which rows the rules of a policy refuse. `column` gives one by the name that it has in joined rows."""
    masks: dict[str, Mask] = {}
    for name, (ext, rule) in rules_in_use(tables).items():
        read = {key: column(f"{SAID}{key}" if key in RECORD_WORDS else key) for key in rule.columns}
        for why, mask in _refused(ext, rule, read).items():
            if not (isinstance(why, str) and re.fullmatch(r"[a-z0-9][a-z0-9-]*", why)):
                raise ExtensionError(f"{ext} gave the reason {why!r}; small letters, digits and hyphens only")
            is_refused = np.asarray(mask)
            if is_refused.dtype != np.bool_ or is_refused.shape != (num_rows,):
                raise ExtensionError(
                    f"{ext} gave for {why!r} an array of {is_refused.dtype} and shape {is_refused.shape}; "
                    f"one boolean for each of {num_rows:,} rows is needed"
                )
            masks[f"{name}:{why}"] = is_refused
    return masks


def _refused(extension: Extension, rule: Rule, columns: Columns) -> Mapping[str, Mask]:
    try:
        refused = dict(rule.refused(columns))
    except Exception as error:  # what a rule of others raises is told with its name
        raise ExtensionError(f"{extension} failed: {in_a_line(error)}") from error
    if len(refused) > MAX_REASONS:
        raise ExtensionError(f"{extension} gave {len(refused)} reasons; at most {MAX_REASONS} are needed")
    return refused
