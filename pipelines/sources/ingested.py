"""Where the records of a source's file, as it is now, lie once they are ingested. Loads no Beam."""

import os
from collections.abc import Sequence
from pathlib import Path

from byline.catalog.corpora.corpus import TAKEDOWNS, read_settings
from byline.catalog.corpora.records import RECORD_SCHEMA
from byline.catalog.digests import digest_of, sha256_of_file
from byline.catalog.disk import layout
from byline.catalog.disk.far import far_file, folder_of, is_far
from byline.catalog.disk.json_files import read_json
from byline.catalog.disk.storage import Store
from byline.catalog.errors import SourceError
from byline.pipelines.sources.config import SourceConfig
from byline.pipelines.sources.readers import check_reader
from byline.pipelines.sources.readers.files import files_of
from byline.pipelines.sources.readers.unchanged import SourceFiles, remembered

_WAYS = {
    "license:LicenseRef-missing": "no license is stated: a column or key `license`, or the pictures themselves, say it",
    "creator:missing": "nobody is named to be credited: a column or key `creator`, or the pictures themselves, say who",
    "caption:missing": "there is no caption: a column or key `title` says it, or a [caption] that looks at pictures",
}
"""Reason that refuses for what a source does not say -> what is missing, and what says it."""
_READ_BY_NAME = {
    **dict.fromkeys(("csv", "folder", "jsonl"), ("names 4",)),
    **dict.fromkeys(("img2dataset", "parquet"), ("names 4", "inside 1")),
}
"""Readers that go by names -> the versions of `sources.names` and what it decides, and of what pictures in tables say
of themselves: another reads every file anew."""


def records_path(
    source: SourceConfig, denylists: Sequence[str] = (), store: Store | None = None, *, keep: bool = False
) -> str:
    """Return the path, named after the bytes of the source's files, how they are read, and what others deny.

    With the `store` of the corpus, files that were not touched since they were read last are not read again; with
    `keep` that is remembered there.
    """
    denied = [read_settings(Store(root)).get(TAKEDOWNS, []) for root in denylists]
    added = check_reader(source.reader)
    by_name = [added.made_by] if added else _READ_BY_NAME.get(source.reader, ())
    read_as = [source.reader, source.options.identity, source.num_packs, *by_name]
    files = files_of(source.path, source=source.name)

    def read() -> str:
        return _digest_of_files(files, source.path)

    named = SourceFiles(name=source.name, path=source.path, files=files)
    digest = read() if store is None else remembered(named, read, store, keep=keep)
    run = digest_of([RECORD_SCHEMA.names, read_as, digest, denied])[:16]
    return layout.records_file(source.name, run)


def why_no_records(sources: Sequence[SourceConfig], denylists: Sequence[str], store: Store) -> str | None:
    """Return what became of the rows of sources that were ingested and gave no record; none when one gave some, or when
    they have no rows.
    """
    lines = []
    for source in sources:
        stem = records_path(source, denylists, store).removesuffix(".parquet")
        if not store.exists(f"{stem}.counts.json"):
            return None
        counts = read_json(store, f"{stem}.counts.json")
        if counts["records"]:
            return None
        if counts["unreadable"]:
            first = _first_row(store, f"{stem}.unreadable.parquet")
            listed = store.url(f"{stem}.unreadable.parquet")
            lines.append(
                f"source {source.name}: {counts['unreadable']:,} unreadable, listed in {listed}; first {first}"
            )
        lines += [f"source {source.name}: {number:,} left out: {kind}" for kind, number in counts["left_out"].items()]
    return "; ".join(lines) or None


def near_names(sources: Sequence[SourceConfig], denylists: Sequence[str], store: Store) -> str | None:
    """Return which names in sources are near a field and taken for none; none when there are none."""
    lines = []
    for source in sources:
        path = f"{records_path(source, denylists, store).removesuffix('.parquet')}.counts.json"
        not_used = read_json(store, path).get("not_used", {}) if store.exists(path) else {}
        near = [f"{name} (nearest: {field})" for name, field in not_used.items() if field]
        lines += [f"source {source.name} has names that are not used: {', '.join(near)}"] if near else []
    return "; ".join(lines) or None


def what_lacks(reasons: str) -> str | None:
    """Return what the sources do not say, of which `reasons` tell that it refused records, and what would say it."""
    ways = [way for reason, way in _WAYS.items() if f"{reason} (" in reasons]
    return f"{'; '.join(ways)} (docs/sources.md)" if ways else None


def first_unread(sources: Sequence[SourceConfig], denylists: Sequence[str], store: Store) -> str | None:
    """Return how many rows of sources could not be read, and the first of each; none when all could."""
    messages = []
    for source in sources:
        stem = records_path(source, denylists, store).removesuffix(".parquet")
        counts = read_json(store, f"{stem}.counts.json") if store.exists(f"{stem}.counts.json") else {}
        if number := counts.get("unreadable"):
            first = _first_row(store, f"{stem}.unreadable.parquet")
            messages.append(f"source {source.name}: {number:,} could not be read, the first: {first}")
    return "; ".join(messages) or None


def _first_row(store: Store, path: str) -> str:
    (row,) = store.read_row_group(path, 0, store.read_footer(path)).slice(0, 1).to_pylist()
    return f"{row['place']}: {row['problem']}"


def _digest_of_files(files: Sequence[str], path: str) -> str:
    """Return the digest of a file, or of a folder's or a glob's files: of the digest of each with its name in order."""
    if files == [path]:
        return _digest_of_file(path)
    if is_far(path):
        folder = folder_of(path)
        return digest_of([(file.removeprefix(folder).lstrip("/"), _digest_of_file(file)) for file in files])
    folder = os.path.commonpath([Path(file).parent for file in files])
    return digest_of([(Path(file).relative_to(folder).as_posix(), _digest_of_file(file)) for file in files])


def _digest_of_file(path: str) -> str:
    try:
        if is_far(path):
            folder, name = far_file(path)
            with folder.open(name) as far:
                return sha256_of_file(far)
        with open(path, "rb") as file:
            return sha256_of_file(file)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}; check `path` in the corpus config") from error
