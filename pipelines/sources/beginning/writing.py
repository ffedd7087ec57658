"""The config and the policy of a new corpus, as files that say what each of their keys is."""

import json
import os
import re
import unicodedata
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from byline.catalog.errors import ConfigError
from byline.pipelines.sources.beginning.finding import FoundSource
from byline.pipelines.sources.ingesting import PACK_RECORDS
from byline.pipelines.sources.readers.options import ReadOptions
from byline.pipelines.sources.readers.taken import Taken

CONFIG, POLICY = "byline.toml", "policy.toml"
POLICY_COPIED = "commercial.toml"
ROOT = "corpus"
NUM_NAMED = 40


def folder_for(source: FoundSource, into: str | None) -> Path:
    """Return the folder where config, policy and corpus go: `into`, else the current one.

    A source that is a folder is read whole, so nothing goes into it: from inside of it the default is a folder beside
    it, `<its name>-corpus`. Raises `ConfigError` when `into` is inside, or has a config already.
    """
    source_path = Path(source.path).resolve()
    folder = Path(into).resolve() if into is not None else Path.cwd().resolve()
    if source_path.is_dir() and folder.is_relative_to(source_path):
        if into is not None:
            raise ConfigError(
                f"{into} lies in {source.path}, whose files are all read as the source; name another folder"
            )
        folder = source_path.with_name(f"{source_path.name or 'new'}-corpus")
    for name in (CONFIG, POLICY):
        if (folder / name).exists():
            raise ConfigError(
                f"{_shown(folder / name)} is there already and stays as it is; name another folder: --into"
            )
    return folder


def write_config(
    source: FoundSource, taken: Taken | None, folder: Path, *, contact: str | None, options: ReadOptions
) -> Path:
    """Write the policy and the config of a corpus of one source, and return the config's path.

    Neither may be there: both are opened as new files, so a second writer is refused as well.
    """
    text = config_text(source, taken, folder, contact=contact, options=options)
    policy = (files("byline") / "configs" / "policies" / POLICY_COPIED).read_bytes()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in ((POLICY, policy), (CONFIG, text.encode())):
            with open(folder / name, "xb") as file:
                file.write(data)
    except OSError as error:
        raise ConfigError(f"cannot write into {folder}: {error.strerror}; name another folder: --into") from error
    return folder / CONFIG


def config_text(
    source: FoundSource, taken: Taken | None, folder: Path, *, contact: str | None = None, options: ReadOptions
) -> str:
    """Return the config, in TOML with comments."""
    name = plain_name(Path(source.path).resolve())
    num_packs = -(-max(source.num_rows, 1) // PACK_RECORDS)
    lines = [
        f"# A corpus of {source.words}, begun by `byline init`. Paths are relative to this file.",
        f"name = {_quoted(name)}",
        f'root = "{ROOT}"              # records, pictures, releases: a folder, or a URL such as s3://bucket/corpus',
        f'policy = "{POLICY}"        # who may come in: a copy of {POLICY_COPIED}, yours to change',
        "",
        "[[sources]]                  # another source is another such table",
        f"name = {_quoted(name)}",
        f"reader = {_quoted(source.reader)}",
        f"path = {_quoted(_path_from(folder, source.path))}",
        f"num_packs = {num_packs:<17}# about {source.counted}, ten thousand a pack; it cannot be changed later",
        *_columns(options),
        *(_named(taken) if taken is not None else ()),
        "",
        "[pixels]                     # how pictures are stored; it cannot be changed later",
        "image_size = 256             # pixels of the longest side; smaller pictures stay as they are",
        'resize_mode = "keep_ratio_largest"',
        "",
        *(() if source.is_here else _fetch(contact)),
        "[caption]",
        'captioner = "source-text"    # the title, or else the tags; "blip2" looks at the picture',
    ]
    return "\n".join(lines) + "\n"


def plain_name(path: Path) -> str:
    """Return a name for a source after its path: small letters, digits and hyphens."""
    stem = path.name if path.is_dir() else path.name.split(".")[0]
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "pictures"


def _fetch(contact: str | None) -> list[str]:
    line = f"contact = {_quoted(contact)}" if contact else '# contact = "you@example.org"'
    return [
        "[fetch]                      # how pictures are asked for: docs/fetch.md",
        *([] if contact else ["# FILL IN: a mail address or page of yours, for the hosts that are asked"]),
        line,
        "",
    ]


def _columns(options: ReadOptions) -> list[str]:
    entries = ", ".join(f"{field} = {_quoted(name)}" for field, name in options.columns.items())
    names = ", ".join(map(_quoted, options.column_names))
    lines = [f"column_names = [{names}]"] if names else []
    return [*lines, f"columns = {{ {entries} }}"] if entries else lines


def _named(taken: Taken) -> list[str]:
    lines = ["# Taken by name, field <- name:"]
    lines += [f"#   {field} <- {_listed(names)}" for field, names in taken.fields.items()]
    if taken.not_used:
        lines.append("# In it and not used:")
        lines += [
            f"#   {_shown_name(name)}" + (f" (nearest: {field})" if field else "") for name, field in _some(taken)
        ]
        name, field = _some(taken)[0]
        lines += [f"# To take it:  columns = {{ {field} = {_quoted(name)} }}"] if field else []
        lines.append(f"# To keep it beside the fields:  save_additional_columns = [{_quoted(name)}]")
    return lines


def _some(taken: Taken) -> list[tuple[str, str]]:
    return sorted(taken.not_used.items(), key=lambda item: not item[1])[:NUM_NAMED]


def _listed(names: list[str]) -> str:
    return ", ".join(map(_shown_name, names))


def _shown_name(name: str) -> str:
    """Return a name that ends no comment: names come from files of others."""
    return _quoted(name)[1:-1]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _path_from(folder: Path, path: str) -> str:
    """Return a path as the config has it: relative to its folder where it lies in or beside that, else absolute."""
    source = Path(path).resolve()
    near = source.is_relative_to(folder.parent)
    written_path = os.path.relpath(source, folder) if near else str(source)
    if os.fsencode(written_path).decode("utf-8", "replace") != written_path:
        raise ConfigError(f"the name of {os.fsencode(written_path)!r} is not UTF-8, which a config must be; rename it")
    return written_path


def _shown(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def next_steps(source: FoundSource, config: Path, *, contact: str | None) -> Mapping[str, str]:
    """Return what to do next: what must be filled in, if anything, and the command that builds."""
    steps = {} if source.is_here or contact else {"fill in": f"[fetch] contact, in {_shown(config)}"}
    return {**steps, "then" if steps else "next": f"byline build {_shown(config)}"}
