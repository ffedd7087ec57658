"""A folder of pictures on this machine, with what stands beside them and what they say themselves.

Beside a picture `a.jpg` are `a.jpg.json`, `a.json`, a caption in `a.txt`, and a row of the folder's table, such as
`metadata.csv`. Of a field the first that says something counts: they in that order, then XMP, IPTC and EXIF. Of
licenses every statement is a claim of its own, so that no sidecar silences what a picture says of itself; which of them
count, a config may say.
"""

import logging
import os
import re
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from byline.catalog.corpora.records import Evidence, ImageRecord, LeftOut, Row, UnreadableRow
from byline.catalog.errors import SourceError
from byline.pipelines.sources.readers.inside import Inside, look_inside
from byline.pipelines.sources.readers.layers import Layer, Layers
from byline.pipelines.sources.readers.options import AS_IT_IS, ReadOptions
from byline.pipelines.sources.readers.parquet import row_digest
from byline.pipelines.sources.readers.rows import read_row
from byline.pipelines.sources.readers.sidecars import (
    CAPTIONS,
    MAX_SIDECAR_BYTES,
    SIDECAR,
    Table,
    called_otherwise,
    captions_beside,
    read_caption,
    read_sidecar,
    read_table,
    tables_of,
)
from byline.pipelines.sources.readers.values import line_of, size_of, tags_of, text_of, title_and_tags

COORDINATES = frozenset({"latitude", "longitude"})
_LIKE_A_MEMBER = re.compile(r".*#\d+[+@]\d+", re.DOTALL)
"""A file of such a name would be taken for a member of a tar, or a cell of a table."""


def read_folder(path: str, source: str, options: ReadOptions = AS_IT_IS) -> Iterator[Row]:
    """Yield a record for every picture: of a folder, sorted, then of those below it. No link is followed out of it."""
    root = Path(path)
    if not root.exists():
        raise SourceError(f"no source file at {path}; check `path`, which is a folder of pictures")
    if not root.is_dir():
        raise SourceError(f"{path} is a file; give a folder of pictures as `path`")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)  # it prints of damaged files what is told in rows
    reader = _Folder(root.resolve(), path, source, options)
    yield from reader.rows()
    yield from reader.never_said()


class _Folder:
    """One folder that is being read."""

    def __init__(self, root: Path, path: str, source: str, options: ReadOptions) -> None:
        self.root = root
        self.path = path
        self.source = source
        self.options = options
        self.tables: list[Table] = []
        """Tables of the folder that is being read and of those above it, the innermost first."""
        self.num_read = 0
        self._unsaid = set(options.columns.values())
        """What the config names, and no picture so far has."""

    def rows(self) -> Iterator[Row]:
        """Yield what becomes of every file below."""
        folders = [""]
        while folders:
            below = folders.pop()
            yield from self._left(below)
            try:
                with os.scandir(self.root / below) as entries:
                    sorted_entries = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                yield UnreadableRow(place=_shown(below) or ".", problem=f"cannot be read: {error.strerror}")
                continue
            yield from (LeftOut(kind="hidden file") for entry in sorted_entries if entry.name.startswith("."))
            seen = [entry for entry in sorted_entries if not entry.name.startswith(".")]
            inner = [entry.name for entry in seen if entry.is_dir(follow_symlinks=False)]
            folders += [f"{below}{name}/" for name in reversed(inner)]
            names = [e.name for e in seen if not e.is_dir(follow_symlinks=False)]
            if tables_of(names):
                self.tables.insert(0, read_table(self.root, below))
                yield from self.tables[0].unreadable
            yield from self._files(below, names)
        yield from self._left(None)

    def never_said(self) -> Iterator[UnreadableRow]:
        """Yield what the config names and no picture has, so that a name that is misspelt is told."""
        for field, name in self.options.columns.items():
            if self.num_read and name in self._unsaid:
                problem = f"no picture says {name!r:.60}, which the config names for {field}"
                yield UnreadableRow(place=self.path, problem=problem)

    def _left(self, below: str | None) -> Iterator[UnreadableRow]:
        """Let go of the tables of folders that are done, and yield their rows without picture."""
        while self.tables and (below is None or not below.startswith(self.tables[0].below)):
            yield from self.tables.pop(0).left()

    def _files(self, below: str, names: Sequence[str]) -> Iterator[Row]:
        tables = set(tables_of(names))
        captions, there = captions_beside(names), set(names)
        of_others = {*captions.values(), *tables}
        pictures = [name for name in names if not name.lower().endswith(SIDECAR) and name not in of_others]
        taken = tables
        for name in pictures:
            stem = name.rpartition(".")[0] or name
            sidecars = dict.fromkeys((f"{name}{SIDECAR}", f"{stem}{SIDECAR}", captions.get(stem, "")))
            beside = [sidecar for sidecar in sidecars if sidecar in there]
            taken.update(beside)
            yield from self._read(below, name, beside, there)
        for name in names:
            if name.lower().endswith(SIDECAR) and name not in taken:
                yield UnreadableRow(place=_shown(below + name), problem="no picture beside it")

    def _read(self, below: str, name: str, beside: Sequence[str], there: Collection[str]) -> Iterator[Row]:
        place = _shown(below + name)
        if table := called_otherwise(name):
            yield UnreadableRow(
                place=place, problem=f"no picture; the table of a folder's pictures is called {table!r}"
            )
            return
        rows = [row for table in self.tables if (row := table.take(below + name, there)) is not None]
        try:
            held = self._place_of(below + name)
            layers = [(sidecar, self._sidecar(below, sidecar)) for sidecar in beside]
            with_coordinates = bool(COORDINATES & set(self.options.save_additional_columns))
            with open(os.open(held, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                size = os.fstat(file.fileno()).st_size
                inside = look_inside(file, size=size, with_coordinates=with_coordinates)
        except OSError as error:
            yield UnreadableRow(place=place, problem=f"cannot be read: {error.strerror or error}")
            return
        except ValueError as error:
            yield UnreadableRow(place=place, problem=str(error)[:200])
            return
        yield from (UnreadableRow(place=place, problem=problem) for problem in inside.problems)
        statements = layers + rows
        yield read_row(partial(self._record, below + name, held, statements, inside), place=place)

    def _sidecar(self, below: str, sidecar: str) -> Layer:
        try:
            with open(os.open(self._place_of(below + sidecar), os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                data = file.read(MAX_SIDECAR_BYTES + 1)
                return read_caption(data) if sidecar.lower().endswith(CAPTIONS) else read_sidecar(data)
        except ValueError as error:
            raise ValueError(f"its sidecar {_shown(sidecar)}: {error}") from error

    def _place_of(self, name: str) -> str:
        """Return where a file really lies. Raises `ValueError` unless it is a regular file in the folder."""
        path = self.root / name
        if _shown(name) != name:
            raise ValueError("a name that is not UTF-8; give it another")
        if path.is_symlink():
            try:
                path = path.resolve(strict=True)
            except (OSError, RuntimeError) as error:
                raise ValueError("a link that leads nowhere") from error
            if not path.is_relative_to(self.root):
                raise ValueError("a link that leaves the folder; put the file itself there")
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise ValueError("a link to a folder, which is not followed" if stat.S_ISDIR(mode) else "no regular file")
        if _LIKE_A_MEMBER.fullmatch(str(path)):
            raise ValueError("a name that ends like a place in a tar (#1+2) or table (#1@2); give it another")
        return str(path)

    def _record(self, name: str, held: str, statements: Sequence[tuple[str, Layer]], inside: Inside) -> ImageRecord:
        layers: list[Layer] = [*(layer for _, layer in statements), inside.statements]
        self.num_read += 1
        self._unsaid.difference_update(*layers)
        picture = Layers(layers, self.options)
        first = {field: value for field, (_, value) in picture.fields().items()}
        places = [place for place, _ in statements] + (["the picture itself"] if inside.statements else [])
        evidence = Evidence(
            file=f"{self.path.rstrip('/')}/{name}",
            place=", ".join(places) or "its path",
            sha256=row_digest({"file": name, "said": layers}),
            retrieved_at=text_of("retrieved_at", first.get("retrieved_at")),
        )
        title, tags = title_and_tags(line_of("title", first.get("title")), tags_of(first.get("tags")))
        return ImageRecord(
            source=self.source,
            id=text_of("id", first.get("id")) or name,
            url=text_of("url", first.get("url")) or f"held:{quote(name)}",
            landing_url=text_of("landing_url", first.get("landing_url")),
            license_claims=picture.claims(),
            title=title,
            creator=line_of("creator", first.get("creator")),
            creator_url=text_of("creator_url", first.get("creator_url")),
            description=line_of("description", first.get("description")),
            tags=tags,
            width=_pixels("width", first, inside.width),
            height=_pixels("height", first, inside.height),
            extras=picture.extras(),
            held=held,
            evidence=evidence,
        )


def _pixels(field: str, statements: Mapping[str, Any], measured: int | None) -> int | None:
    size = size_of(field, statements.get(field))
    return measured if size is None else size


def _shown(name: str) -> str:
    """Return a path as text, bytes that are no UTF-8 as `\\xff`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
