"""Hash the pictures of an evaluation set, to keep what looks like them out of a corpus. Loads no Beam."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from byline.catalog.digests import canonical_json
from byline.catalog.errors import ConfigError
from byline.catalog.threads import in_threads
from byline.dedup.decoding import decode as decode_stored
from byline.dedup.hashes import hash_of_frequencies, low_frequencies, pixel_digest
from byline.dedup.quality import is_flat
from byline.dedup.views import pack_views, views_of
from byline.pictures.config import PixelConfig
from byline.pictures.files import FoundFile
from byline.pictures.pixels import UnusableError, store_image
from byline.pictures.pixels.colors import to_srgb
from byline.pictures.pixels.decoding import decode, survey
from byline.pipelines.facts.evaluation_sets import EVALUATION_SCHEMA
from byline.pipelines.facts.measures import FINGERPRINT_INSTRUMENT, MEASURED_PX

Row = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class HashedFile:
    """What became of one file: its rows, or why it has none."""

    file: FoundFile
    """The file that was found, without its bytes."""
    num_bytes: int
    rows: tuple[Row, ...] = ()


def hash_files(files: Iterable[FoundFile], *, stored_by: PixelConfig | None = None) -> Iterator[HashedFile]:
    """Yield, in order, the hashes of each file, from a decode as safe as that of fetched bytes.

    A picture is hashed whole; with `stored_by`, also as a corpus with these settings would keep it.
    """
    return in_threads(lambda file: _hash_file(file, stored_by), files)


def _hash_file(file: FoundFile, stored_by: PixelConfig | None) -> HashedFile:
    if file.data is None:
        return HashedFile(file=file, num_bytes=0)
    try:
        images = list(_looks(file.data, stored_by))
    except UnusableError as error:
        return HashedFile(file=FoundFile(name=file.name, problem=str(error)), num_bytes=len(file.data))
    rows = {row["pixels"]: row for row in (hash_picture(image, file.name) for image in images)}
    return HashedFile(file=FoundFile(name=file.name), num_bytes=len(file.data), rows=tuple(rows.values()))


def _looks(data: bytes, stored_by: PixelConfig | None) -> Iterator[Image.Image]:
    limits = stored_by or PixelConfig()
    surveyed = survey(data, max_pixels=limits.max_pixels)
    yield Image.fromarray(to_srgb(decode(surveyed), surveyed.survey.profile)[0])
    if stored_by is not None:
        try:
            stored = store_image(data, **stored_by.model_dump())
        except UnusableError:
            return  # that corpus cannot have it
        yield decode_stored(stored.data, at_least_px=MEASURED_PX)


def hash_picture(image: Image.Image, name: str) -> Row:
    """Return the row of `EVALUATION_SCHEMA` of one picture in RGB."""
    return {
        "phash256": hash_of_frequencies(low_frequencies(image.convert("L"))),
        "views": pack_views(views_of(image)),
        "flat": is_flat(image),
        "pixels": pixel_digest(image),
        "name": name,
    }


def evaluation_set_bytes(
    rows: Iterable[Row], *, name: str, num_pictures: int, stored_by: PixelConfig | None = None
) -> bytes:
    """Return a list of hashes as a Parquet file; the same rows, in any order, give the same bytes."""

    def key(row: Row) -> tuple[object, ...]:
        return row["phash256"], row["name"], row["pixels"]

    table = pa.Table.from_pylist(sorted(rows, key=key), schema=EVALUATION_SCHEMA)
    sink = BytesIO()
    metadata = {
        "instrument": FINGERPRINT_INSTRUMENT,
        "name": name,
        "num_pictures": str(num_pictures),
        "byline": version("byline"),
        **({"stored_by": canonical_json(stored_by.model_dump(mode="json")).decode()} if stored_by else {}),
    }
    options = {"compression": "zstd", "use_dictionary": False, "store_schema": False, "write_page_checksum": True}
    with pq.ParquetWriter(sink, table.schema, **options) as file:
        file.write_table(table)
        file.add_key_value_metadata(metadata)
    return sink.getvalue()


@dataclass(frozen=True, kw_only=True)
class Hashed:
    """A finished list, and what did not go into it."""

    data: bytes
    num_pictures: int
    num_flat: int
    problems: tuple[FoundFile, ...]
    """What may have been meant as a picture and could not be read."""
    beside: dict[str, int]
    """Suffix -> number of files that were captions, labels and the like."""


def make_evaluation_set(
    files: Iterable[FoundFile],
    *,
    name: str,
    stored_by: PixelConfig | None = None,
    advance: Callable[[int], None] = lambda num_bytes: None,
) -> Hashed:
    """Hash all pictures among `files` into one list. Raises `ConfigError` when there is none that can be read.

    `advance` is told of each file how many bytes it had. Memory is that of the hashes (about 400 bytes a picture in
    the list, some 2 KB here), not of the pictures.
    """
    rows: list[Row] = []
    problems: list[FoundFile] = []
    beside: dict[str, int] = {}
    num_pictures = 0
    for hashed_file in hash_files(files, stored_by=stored_by):
        advance(hashed_file.num_bytes)
        rows += hashed_file.rows
        num_pictures += bool(hashed_file.rows)
        if hashed_file.file.is_beside:
            suffix = "." + hashed_file.file.name.rsplit(".", 1)[-1].lower()
            beside[suffix] = beside.get(suffix, 0) + 1
        elif hashed_file.file.problem is not None:
            problems.append(hashed_file.file)
    if not num_pictures:
        first = f"; the first: {problems[0].name}: {problems[0].problem}" if problems else ""
        raise ConfigError(
            f"none of {len(problems) + sum(beside.values()):,} files is a picture that can be read{first}"
        )
    return Hashed(
        data=evaluation_set_bytes(rows, name=name, num_pictures=num_pictures, stored_by=stored_by),
        num_pictures=num_pictures,
        num_flat=len({row["name"] for row in rows if row["flat"]}),
        problems=tuple(problems),
        beside=dict(sorted(beside.items())),
    )
