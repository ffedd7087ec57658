"""Samples as rows of Parquet: `image`, then what the sample's JSON says. A row has all that its sample has in a tar,
so the tar can be made again from rows, to the byte, and be checked against a manifest.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from byline.catalog.digests import canonical_json
from byline.catalog.disk.storage import Store
from byline.catalog.disk.storage_errors import damaged_parquet
from byline.catalog.disk.tars import end_of_tar, sample_bytes
from byline.catalog.errors import CorpusError

IMAGE = "image"
IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""Type of a picture in a row, that of `datasets`."""
NEEDED = {IMAGE: IMAGE_TYPE, "key": pa.string(), "caption": pa.string()}


def rows_schema(json_schema: pa.Schema) -> pa.Schema:
    """Return the schema of rows whose JSON has this one. Its metadata tell `datasets` which column is a picture."""
    kinds = {field.name: _feature(field.type) for field in json_schema}
    info = {"info": {"features": {IMAGE: {"_type": "Image"}, **kinds}}}
    return pa.schema([pa.field(IMAGE, IMAGE_TYPE), *json_schema], metadata={"huggingface": json.dumps(info)})


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "Sequence"}
    return {"dtype": str(kind), "_type": "Value"}


def sample_rows(samples: pa.Table, pictures: list[bytes]) -> pa.Table:
    """Return what the JSON of some samples says, and their pictures, as rows."""
    paths = [f"{key}.jpg" for key in samples["key"].to_pylist()]
    images = pa.StructArray.from_arrays([pa.array(pictures, pa.binary()), pa.array(paths)], fields=list(IMAGE_TYPE))
    return pa.table([images, *samples.columns], schema=rows_schema(samples.schema))


def tar_pieces(tables: Iterable[pa.Table]) -> Iterator[bytes]:
    """Yield the bytes of the tar that these rows were samples of, its end included.

    Raises `CorpusError` for rows that were never samples.
    """
    size = 0
    for table in tables:
        names = table.column_names
        if len(set(names)) < len(names) or any(
            name not in names or table[name].type != kind for name, kind in NEEDED.items()
        ):
            raise CorpusError(f"its columns are {', '.join(names)}; rows of samples have other ones, or other types")
        for row in _as_python(table):
            piece = _piece(row)
            size += len(piece)
            yield piece
    yield end_of_tar(size)


def _as_python(table: pa.Table) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = table.to_pylist()
    except ValueError as error:  # text that is none
        raise CorpusError(str(error)) from error
    return rows


def _piece(row: dict[str, Any]) -> bytes:
    image, key, caption = row.pop(IMAGE), row["key"], row["caption"]
    if image is None or image["bytes"] is None or image["path"] != f"{key}.jpg":
        raise CorpusError(f"the row of {key} has no picture of that name")
    if caption is None:
        raise CorpusError(f"the row of {key} has no caption")
    try:
        row_json = canonical_json(row)
        return sample_bytes(
            [(f"{key}.jpg", image["bytes"]), (f"{key}.json", row_json), (f"{key}.txt", caption.encode())]
        )
    except (TypeError, ValueError) as error:  # what JSON, or the head of a tar, cannot say
        raise CorpusError(f"the row of {key} cannot be a sample: {error}") from error


def read_as_tar(store: Store, path: str) -> bytes:
    """Return the rows of a Parquet file as the tar that they are of. Raises `BylineError`, which names the file."""
    with store.open(path) as file:
        try:
            parquet = pq.ParquetFile(file, pre_buffer=False)
            groups = (parquet.read_row_group(number, use_threads=False) for number in range(parquet.num_row_groups))
            return b"".join(tar_pieces(groups))
        except (pa.ArrowException, OSError) as error:
            raise damaged_parquet(store.url(path), error) from error
        except CorpusError as error:
            raise CorpusError(f"{store.url(path)} is damaged: {error}") from error
