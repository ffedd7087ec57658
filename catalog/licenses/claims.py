"""Read the license claims of a column: each distinct claim once, since a million records make a few hundred."""

import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.licenses.reading import LicenseReading, read_claims


@dataclass(frozen=True)
class ClaimsColumn:
    """What `license_claims` says in each row: `readings[codes[row]]`."""

    codes: npt.NDArray[np.int32]
    readings: tuple[LicenseReading, ...]


def read_claims_column(column: pa.ChunkedArray | pa.Array) -> ClaimsColumn:
    """Read `license_claims` of `catalog.corpora.records.RECORD_SCHEMA`; row by row it equals `read_claims`."""
    encoded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column)
    whole = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    if isinstance(whole, pa.ChunkedArray):  # pyarrow gives no array for no rows
        return ClaimsColumn(np.zeros(0, np.int32), ())
    return ClaimsColumn(
        whole.indices.to_numpy(zero_copy_only=False).astype(np.int32),  # a copy: the rest of the file need not stay
        tuple(_read(text) for text in whole.dictionary.to_pylist()),
    )


@lru_cache(maxsize=1 << 16)
def _read(text: str) -> LicenseReading:
    return read_claims([(field, value) for field, value in json.loads(text)])
