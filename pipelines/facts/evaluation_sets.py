"""Pictures that models will be tested on, as lists of hashes: what is too close to one must not be trained on.

A list is made by `byline hashes`. Loads no Beam.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from byline.catalog.digests import sha256_hex
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.catalog.errors import ConfigError, CorpusError
from byline.dedup.views import CODE_BYTES, VIEW_BYTES, unpack_views
from byline.pictures.config import PixelConfig
from byline.pipelines.facts.measures import FINGERPRINT_INSTRUMENT

DIGEST_DIGITS = 64
PARQUET_MAGIC = b"PAR1"
EVALUATION_SCHEMA = pa.schema(
    [
        pa.field("phash256", pa.binary(CODE_BYTES), nullable=False),
        pa.field("views", pa.binary(), nullable=False),
        pa.field("flat", pa.bool_(), nullable=False),
        pa.field("pixels", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
    ]
)
"""A look at a picture; `views` as `dedup.views.pack_views` gives them, `name` to explain a refusal. Sorted."""
HOW = "make it with: byline hashes PICTURES --out LIST.parquet"
_DIGEST_LINES = re.compile(rb"\s*[0-9a-fA-F]{64}\s*([\r\n,;]|\Z)")

# Shapes: N rows of a pack, L looks at the pictures of the lists, V looks at those of a pack.
Codes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class EvaluationList:
    """One list as it was read."""

    name: str
    digest: str
    """SHA-256 of the list's file."""
    rows: pa.Table
    """The looks of the list, as a checked table of `EVALUATION_SCHEMA`."""
    stored_by: PixelConfig | None = None
    """The corpus settings with which each picture was hashed as stored, too; None if it was hashed only whole."""


class EvaluationSets:
    """The looks of all pictures of some lists. The order of the lists does not matter."""

    def __init__(self, lists: Sequence[EvaluationList], *, radius_bits: int) -> None:
        self.lists = tuple(sorted(lists, key=lambda evaluation_list: (evaluation_list.name, evaluation_list.digest)))
        self.radius_bits = radius_bits
        if self.is_empty:
            return
        from byline.dedup.neighbors import NearIndex, first_of_equals  # 0.3 s, and more to load what is compiled

        rows = pa.concat_tables(
            [EVALUATION_SCHEMA.empty_table(), *(evaluation_list.rows for evaluation_list in self.lists)]
        )
        self._pixels = pc.unique(rows["pixels"])
        is_flat = np.asarray(rows["flat"].to_numpy(), np.bool_)
        codes_L32, _ = codes_with_views(_codes(rows["phash256"]), rows["views"], is_flat)
        firsts = np.unique(first_of_equals(codes_L32))
        self._index = NearIndex(codes_L32[firsts], radius_bits=radius_bits)

    @property
    def digests(self) -> tuple[str, ...]:
        """SHA-256 of each list, sorted: what a judgement depends on, beside the radius."""
        return tuple(sorted(evaluation_list.digest for evaluation_list in self.lists))

    @property
    def is_empty(self) -> bool:
        """Whether no list was named: then nothing is contaminated."""
        return not self.lists

    def contaminated(
        self, code_N32: Codes, views: pa.ChunkedArray | None, is_flat_N: Flags, pixels: pa.ChunkedArray
    ) -> Flags:
        """Return which rows are too close to a picture of a list.

        Close is within `radius_bits` by any look of the one (upright, and its views) at any of the other; colors are
        not asked: better one picture too few. A flat picture is close to equal pixels only; null is equal to none.
        Equal codes, many as they may be, cost what one does. Safe in threads.
        """
        if self.is_empty:
            return np.zeros(len(code_N32), np.bool_)
        from byline.dedup.neighbors import first_of_equals

        close_N = np.array(pc.is_in(pixels, value_set=self._pixels).to_numpy(), np.bool_)
        codes_V32, rows_V = codes_with_views(code_N32, views, is_flat_N)
        firsts, same_V = np.unique(first_of_equals(codes_V32), return_inverse=True)
        is_near = np.zeros(len(firsts), np.bool_)
        is_near[self._index.pairs_with(codes_V32[firsts])["i"]] = True
        close_N[rows_V[is_near[same_V]]] = True
        return close_N


def codes_with_views(code_N32: Codes, views: pa.ChunkedArray | None, is_flat_N: Flags) -> tuple[Codes, Rows]:
    """Return the codes by which pictures are found, upright and other views, each with its row; flat ones have none."""
    rows_V, codes_V32 = np.arange(len(code_N32)), code_N32
    if views is not None:
        rows, _, codes, _ = unpack_views(views)
        rows_V, codes_V32 = np.concatenate([rows_V, rows]), np.concatenate([code_N32, codes])
    shown_V = ~is_flat_N[rows_V]
    return codes_V32[shown_V], rows_V[shown_V]


def load_evaluation_sets(paths: Sequence[str | Path], *, radius_bits: int) -> EvaluationSets:
    """Read lists of hashes. Raises `ConfigError` for one that this version did not make, or that is damaged."""
    return EvaluationSets([load_evaluation_list(Path(path)) for path in paths], radius_bits=radius_bits)


def load_evaluation_list(path: Path) -> EvaluationList:
    """Read one list of hashes and check every row. Raises `ConfigError` that says what is wrong, and in which row."""
    return _list_of(_bytes_of(path), path)


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"no evaluation set at {path} ({error.strerror}); {HOW}") from error


def copy_evaluation_sets(paths: Sequence[str | Path], store: Store) -> None:
    """Keep copies of lists in a corpus, by their digests, so that its releases can be made again without the files."""
    for path in paths:
        data = _bytes_of(Path(path))
        store.write_new(_copy(_list_of(data, Path(path)).digest), data)


def corpus_evaluation_sets(store: Store, digests: Sequence[str], radius_bits: int) -> EvaluationSets:
    """Read the copies of lists that a corpus keeps. Raises `CorpusError` for one that was edited."""
    lists = [_list_of(store.read_bytes(_copy(digest)), Path(store.url(_copy(digest)))) for digest in digests]
    for evaluation_list, digest in zip(lists, digests, strict=True):
        if evaluation_list.digest != digest:
            raise CorpusError(f"{store.url(_copy(digest))} was edited: its name is not its digest; restore it")
    return EvaluationSets(lists, radius_bits=radius_bits)


def _copy(digest: str) -> str:
    return layout.evaluation_set(digest)


def _list_of(data: bytes, path: Path) -> EvaluationList:
    if not data.startswith(PARQUET_MAGIC):
        raise ConfigError(f"{path} is no list of byline's: {_seems(data)}; {HOW}")
    try:
        with pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True) as file:
            metadata = {key.decode(): value.decode() for key, value in (file.metadata.metadata or {}).items()}
            _refuse_instrument(path, metadata.get("instrument"))
            rows = _checked(path, file.read(), file.schema_arrow)
            stored_by = PixelConfig.model_validate_json(metadata["stored_by"]) if "stored_by" in metadata else None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is damaged ({error}); {HOW}") from error
    return EvaluationList(name=metadata.get("name", path.stem), digest=sha256_hex(data), rows=rows, stored_by=stored_by)


def refuse_uncropped(lists: Sequence[EvaluationList], pixels: PixelConfig) -> None:
    """Raise `ConfigError` when a corpus stores pictures cropped and a list was not hashed so: no hash finds a crop."""
    for evaluation_list in lists:
        if pixels.resize_mode == "center_crop" and (
            evaluation_list.stored_by is None or _crop(evaluation_list.stored_by) != _crop(pixels)
        ):
            raise ConfigError(
                f"the corpus crops pictures to {pixels.image_size} px and the evaluation set {evaluation_list.name} "
                "was not hashed so, which would miss its pictures; make it anew with: byline hashes PICTURES --out "
                "LIST.parquet --stored-by CONFIG (the config of this corpus)"
            )


def _crop(pixels: PixelConfig) -> tuple[object, ...]:
    return pixels.resize_mode, pixels.image_size, pixels.resize_only_if_bigger


def _seems(data: bytes) -> str:
    if _DIGEST_LINES.match(data):
        return (
            "it holds lines of 64 hex digits, which usually are PDQ hashes, another instrument than "
            f"{FINGERPRINT_INSTRUMENT}: these cannot be compared, so hash the pictures anew"
        )
    return "it is no Parquet file"


def _refuse_instrument(path: Path, instrument: str | None) -> None:
    if instrument is None:
        raise ConfigError(f"{path} does not say which instrument its hashes are of, so they cannot be compared; {HOW}")
    if instrument != FINGERPRINT_INSTRUMENT:
        raise ConfigError(
            f"{path} has hashes of {instrument}, this version compares those of {FINGERPRINT_INSTRUMENT}; "
            f"{HOW.replace('make it', 'make it anew')}"
        )


def _checked(path: Path, rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the rows in `EVALUATION_SCHEMA`. Who copied the list may have widened types, and cut or emptied values."""
    if missing := [name for name in EVALUATION_SCHEMA.names if name not in schema.names]:
        raise ConfigError(f"{path} lacks the column {missing[0]}; it has {', '.join(schema.names)}; {HOW}")
    if not len(rows):
        raise ConfigError(f"{path} holds no pictures; {HOW}")
    rows = rows.select(EVALUATION_SCHEMA.names)
    for name in EVALUATION_SCHEMA.names:
        _refuse_first(path, name, np.asarray(pc.is_null(rows[name])), "nothing")
    for name, num_bytes in (("phash256", CODE_BYTES), ("pixels", DIGEST_DIGITS)):
        _refuse_first(path, name, _sizes(rows[name]) != num_bytes, f"not {num_bytes} bytes")
    _refuse_first(path, "views", _sizes(rows["views"]) % VIEW_BYTES != 0, f"no multiple of {VIEW_BYTES} bytes")
    return rows.cast(EVALUATION_SCHEMA)


def _refuse_first(path: Path, column: str, is_wrong: Flags, what: str) -> None:
    if is_wrong.any():
        row = int(np.flatnonzero(is_wrong)[0])
        raise ConfigError(f"{path} is damaged: the column {column} has {what} in row {row}; {HOW}")


def _sizes(column: pa.ChunkedArray) -> Rows:
    return np.asarray(pc.binary_length(column).to_numpy(), np.int64)


def _codes(column: pa.ChunkedArray) -> Codes:
    """Return fixed bytes as a matrix."""
    blocks = [np.zeros((0, CODE_BYTES), np.uint8)]
    for chunk in column.chunks:
        data = np.frombuffer(chunk.buffers()[1] or b"", np.uint8)
        blocks.append(data.reshape(-1, CODE_BYTES)[chunk.offset : chunk.offset + len(chunk)])
    return np.concatenate(blocks)
