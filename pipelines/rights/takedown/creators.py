"""Which creator is meant: a part of a name takes nothing down, it lists who has it."""

from collections.abc import Callable, Iterator, Sequence

from byline.catalog.disk.storage import Store
from byline.catalog.errors import ConfigError
from byline.catalog.text import one_line
from byline.catalog.urls import with_scheme
from byline.pipelines.rights.traces.lookup import creators_holding, find_creator

SHOWN = 20
"""Creators that are listed; of further ones the number is told."""
Ask = Callable[[str], str]


def chosen_creators(store: Store, names: Sequence[str], *, exactly: bool, ask: Ask | None) -> list[str]:
    """Return the names to take down: those that were said, or, of what is only a part of names, the one that is chosen.

    Without `ask` nobody can choose: then a part of a name is a `ConfigError` that lists who has it. With `exactly`, and
    where no name holds what was said, it is taken as it is. What may be a page without its scheme, and not said
    `exactly`, is taken as a name and as that page.
    """
    return [name for asked in names for name in ([asked] if exactly else _chosen(store, asked, ask))]


def _chosen(store: Store, asked: str, ask: Ask | None) -> list[str]:
    may_be = list(dict.fromkeys((asked, with_scheme(asked))))
    if not asked.strip() or any(find_creator(store, each) for each in may_be):
        return may_be
    holding = creators_holding(store, asked)
    if not holding:
        return may_be
    names = list(holding)
    listed = list(_lines(holding))
    if ask is None:
        raise ConfigError(
            f"no creator is called {asked!r}; {len(names):,} {'holds' if len(names) == 1 else 'hold'} it: "
            f"{', '.join(listed)}; name one with --creator, or say --exactly"
        )
    numbered = "\n".join(f"  {number}  {line}" for number, line in enumerate(listed, start=1))
    answer = ask(f"no creator is called {asked!r}; these hold it:\n{numbered}\nwhich (a number)").strip()
    if not (answer.isascii() and answer.isdigit() and 1 <= int(answer) <= min(len(names), SHOWN)):
        raise ConfigError(f"{answer!r} is none of 1 to {min(len(names), SHOWN)}; nothing was done")
    return [names[int(answer) - 1]]


def _lines(holding: dict[str, int]) -> Iterator[str]:
    for name, number in list(holding.items())[:SHOWN]:
        yield f"{one_line(name)!r} ({number:,} {'record' if number == 1 else 'records'})"
    if len(holding) > SHOWN:
        yield f"and {len(holding) - SHOWN:,} more"
