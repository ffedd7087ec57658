"""byline init"""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from byline.cli.verb import say

if TYPE_CHECKING:
    from byline.catalog.corpora.records import ImageRecord
    from byline.pipelines.sources.readers.options import ReadOptions
    from byline.pipelines.sources.readers.taken import Taken

WIDTH = 12
WANTED = ("license", "creator", "title")
"""Fields without which a record is not admitted, or has no caption."""


def init(
    source: Annotated[str, typer.Argument(help="A folder of pictures, a table, or saved answers of an API.")] = ".",
    into: Annotated[
        str | None, typer.Option(help="Folder for config, policy and corpus; by default the current one.")
    ] = None,
    contact: Annotated[
        str | None, typer.Option(help="A mail address or page of yours, for the hosts that are asked.")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="FIELD=NAME: which column is a field, where its name does not say so.")
    ] = None,
    column_names: Annotated[
        str | None, typer.Option(help="NAME,NAME,...: what the columns are called of a table without a header row.")
    ] = None,
) -> None:
    """Look at pictures or a table, and write a config that builds a corpus of them, and a policy.

    Shows which name is taken for which field, what is not used, and the first rows as they are read. Nothing that is
    there is overwritten, and nothing is written into a folder of pictures: from inside one, a folder beside it is made.

    Example: byline init photographs

    Example: byline init museum.csv --into museum --contact you@example.org

    Example: byline init museum.csv --column url=link --column creator=owner

    Example: byline init captions.tsv --column-names caption,url
    """
    from byline.cli.corpus import leave_pandas_out

    leave_pandas_out()

    import shlex
    from pathlib import Path

    from byline.catalog.errors import ColumnError, ConfigError, HeaderError, SourceError
    from byline.pipelines.sources.beginning.finding import find
    from byline.pipelines.sources.beginning.sampling import sample
    from byline.pipelines.sources.beginning.writing import folder_for, next_steps, plain_name, write_config
    from byline.pipelines.sources.readers.taken import names_taken

    options = _options(column or [], column_names)
    source_info = find(source)
    folder = folder_for(source_info, into)
    options.refuse_for(source_info.reader)
    try:
        taken = names_taken(source_info.reader, source_info.path, options)
        if taken is None and options.columns:
            raise ConfigError(
                f"{source_info.path} is read by {source_info.reader}, whose fields are known; leave --column out"
            )
        sampled = sample(source_info, plain_name(Path(source_info.path).resolve()), options)
    except ColumnError as error:  # there is no config yet that could say it
        argument = shlex.quote(f"{error.field}={error.name}")
        raise SourceError(f"{error.what}; say which it is: add --column {argument}") from error
    except HeaderError as error:
        argument = shlex.quote(",".join(error.names))
        raise SourceError(f"{error.what}; say what its columns are called: add --column-names {argument}") from error
    config = write_config(source_info, taken, folder, contact=contact, options=options)

    console = Console()
    say(console, f"{source_info.path}: {source_info.words}, about {source_info.counted}, read by {source_info.reader}")
    console.print()
    for line in _named(taken):
        say(console, line)
    say(console, "the first rows, as they are read")
    for record in sampled.records:
        for line in _record(record):
            say(console, line)
    if sampled.unreadable:
        first = sampled.unreadable[0]
        say(console, f"could not be read before these: {len(sampled.unreadable):,}; {first.place}: {first.problem}")
    console.print()
    say(console, f"{'wrote':<{WIDTH}} {config.name} and policy.toml in {config.parent}")
    for word, step in next_steps(source_info, config, contact=contact).items():
        say(console, f"{word:<{WIDTH}} {step}")


def _options(columns: list[str], column_names: str | None) -> "ReadOptions":
    """Return how a source is read whose columns are said as `FIELD=NAME`. Raises `ConfigError`."""
    from byline.catalog.configs.loading import parse_config
    from byline.catalog.errors import ConfigError
    from byline.pipelines.sources.readers.options import ReadOptions

    pairs = [text.partition("=") for text in columns]
    if wrong := [text for text, (field, _, name) in zip(columns, pairs, strict=True) if not (field and name)]:
        raise ConfigError(f"--column takes FIELD=NAME, got {wrong[0]!r}")
    names = {} if column_names is None else {"column_names": tuple(map(str.strip, column_names.split(",")))}
    return parse_config({"columns": {field: name for field, _, name in pairs}, **names}, ReadOptions, where="--column")


def _named(taken: "Taken | None") -> list[str]:
    """Return lines that say which name is taken for which field, and which are not used."""
    if taken is None:
        return ["its fields are known, see docs/sources.md", ""]
    lines = ["field <- name"]
    lines += [f"  {field:<{WIDTH}} <- {', '.join(names)}" for field, names in taken.fields.items()]
    lines += [f"  {field:<{WIDTH}} <- nothing" for field in WANTED if not _is_said(field, taken)]
    if taken.not_used:
        lines.append("in it and not used")
        ordered = sorted(taken.not_used.items(), key=lambda item: not item[1])
        lines += [f"  {name}" + (f" (nearest: {field})" if field else "") for name, field in ordered]
    return [*lines, ""]


def _is_said(field: str, taken: "Taken") -> bool:
    return field in taken.fields or (field == "license" and "license_url" in taken.fields)


def _record(record: "ImageRecord") -> list[str]:
    claims = "; ".join(f"{name} = {text}" for name, text in record.license_claims)
    fields = {
        "title": record.title,
        "creator": record.creator,
        "license": claims,
        "tags": ", ".join(record.tags[:8]),
        "picture": record.held or record.url,
    }
    return [f"  {record.id}", *(f"    {field:<{WIDTH - 2}} {text}" for field, text in fields.items() if text)]
