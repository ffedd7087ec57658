"""Reading license claims: a column at once beside row by row, equal output. python -m benchmarks.license_reading"""

import json

import numpy as np
import pyarrow as pa

from benchmarks.side_by_side import measure, table, write_section
from benchmarks.synthetic import real_records
from byline.catalog.licenses.claims import read_claims_column
from byline.catalog.licenses.reading import LicenseReading, read_claims

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
LOOP_UP_TO = 1_000_000
"""A loop over more rows takes minutes; what it costs grows with the rows."""


def _claims(number: int) -> pa.ChunkedArray:
    """Claims as the records of samples/ have them, as often as they have them."""
    claims = real_records()["license_claims"]
    drawn = np.random.default_rng(0).integers(0, len(claims), number)
    return claims.take(pa.array(drawn)).combine_chunks()


def row_by_row(claims: pa.Array) -> list[LicenseReading]:
    """Read each row by itself; equal texts are read once, as `read_license` remembers them."""
    return [
        read_claims([(field, text) for field, text in json.loads(claims_json)]) for claims_json in claims.to_pylist()
    ]


def _equal(claims: pa.Array) -> bool:
    column = read_claims_column(claims)
    return [column.readings[code] for code in column.codes] == row_by_row(claims)


if __name__ == "__main__":
    assert _equal(_claims(20_000))
    rows, rates = [], []
    for size in SIZES:
        claims = _claims(size)
        loop_over = claims.slice(0, min(size, LOOP_UP_TO))
        row = measure(size, lambda c=claims: read_claims_column(c), lambda c=loop_over: row_by_row(c), rounds=3)  # type: ignore[misc]
        rates.append(f"{size:,} rows: {size / sorted(row.ours_s)[1]:,.0f} rows/s")
        if size <= LOOP_UP_TO:
            rows.append(row)
    write_section(
        "License reading",
        "python -m benchmarks.license_reading",
        "Claims with the distribution of the samples; both give equal readings.\n\n"
        + table("rows", "catalog.claims, a column", "catalog.licenses, row by row", rows)
        + "\n\nRates of the column: "
        + "; ".join(rates)
        + ".",
    )
