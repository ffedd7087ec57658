"""What other people's tools read from an export, each by its own reader and without a line of byline.

    python tests/pipelines/releases/exporting/readers.py FOLDER         # with whatever is installed
    python tests/pipelines/releases/exporting/readers.py FOLDER READER  # one, as JSON: split -> SHA-256 -> license

A folder of tars and one of Parquet have readers of their own. Pictures are decoded, and each must have the size that
its sample states.
"""

import importlib
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

Row = tuple[str, str, str]
"""Split, SHA-256, license."""
SPLITS = ("train", "heldout")


def _shards(folder: Path, split: str) -> list[str]:
    return [str(folder / line) for line in (folder / f"shards-{split}.txt").read_text().split()]


def _of_samples(split: str, samples: Iterable[dict[str, Any]]) -> Iterator[Row]:
    for sample in samples:
        said = sample["json"]
        assert sample["jpg"].size == (said["width"], said["height"])
        assert sample["txt"] == said["caption"]
        assert said["split"] == split
        yield split, said["sha256"], said["license"]


def webdataset(folder: Path) -> Iterator[Row]:
    import webdataset as wds

    for split in SPLITS:
        yield from _of_samples(split, wds.WebDataset(_shards(folder, split), shardshuffle=False).decode("pil"))


def datasets_folder(folder: Path) -> Iterator[Row]:
    import datasets

    loaded = datasets.load_dataset(str(folder))
    assert set(loaded) == set(SPLITS)
    for split in SPLITS:
        yield from _of_samples(split, loaded[split])


def datasets_folder_streaming(folder: Path) -> Iterator[Row]:
    import datasets

    for split in SPLITS:
        yield from _of_samples(split, datasets.load_dataset(str(folder), split=split, streaming=True))


def datasets_files(folder: Path) -> Iterator[Row]:
    import datasets

    files = {split: _shards(folder, split) for split in SPLITS}
    loaded = datasets.load_dataset("webdataset", data_files=files)
    for split in SPLITS:
        yield from _of_samples(split, loaded[split])


def datasets_files_streaming(folder: Path) -> Iterator[Row]:
    import datasets

    files = {split: _shards(folder, split) for split in SPLITS}
    loaded = datasets.load_dataset("webdataset", data_files=files, streaming=True)
    for split in SPLITS:
        yield from _of_samples(split, loaded[split])


def mlcroissant(folder: Path) -> Iterator[Row]:
    import mlcroissant

    found = mlcroissant.Dataset(str(folder / "croissant.json"))
    splits = {row["credits/sha256"]: row["credits/split"].decode() for row in found.records("credits")}
    captions = {row["captions/sha256"]: row["captions/caption"].decode() for row in found.records("captions")}
    for row in found.records("pictures"):
        key = row["pictures/sha256"]
        assert row["pictures/image"].size > (0, 0)
        assert captions[key]
        yield splits[key], key.decode(), row["pictures/license"].decode()


def pandas_credits(folder: Path) -> Iterator[Row]:
    import pandas

    credits = pandas.read_parquet(folder / "credits.parquet")
    yield from credits[["split", "sha256", "license"]].itertuples(index=False, name=None)


def pandas_verdicts(folder: Path) -> Iterator[Row]:
    import pandas

    verdicts = pandas.read_parquet(folder / "verdicts")
    admitted = verdicts[verdicts["admitted"]]
    yield from admitted[["split", "sha256", "license"]].itertuples(index=False, name=None)


def duckdb_credits(folder: Path) -> Iterator[Row]:
    import duckdb

    yield from duckdb.execute(f"SELECT split, sha256, license FROM '{folder}/credits.parquet'").fetchall()


def duckdb_verdicts(folder: Path) -> Iterator[Row]:
    import duckdb

    yield from duckdb.execute(
        f"SELECT split, sha256, license FROM '{folder}/verdicts/*.parquet' WHERE admitted AND len(reasons) = 0"
    ).fetchall()


def _of_rows(split: str, rows: Iterable[dict[str, Any]]) -> Iterator[Row]:
    for row in rows:
        assert row["image"].size == (row["width"], row["height"])
        assert row["caption"]
        assert row["split"] == split
        yield split, row["sha256"], row["license"]


def datasets_rows(folder: Path) -> Iterator[Row]:
    import datasets

    loaded = datasets.load_dataset(str(folder))
    assert set(loaded) == set(SPLITS)
    for split in SPLITS:
        assert loaded[split][len(loaded[split]) - 1]["image"].size > (0, 0)
        yield from _of_rows(split, loaded[split])


def datasets_rows_streaming(folder: Path) -> Iterator[Row]:
    import datasets

    for split in SPLITS:
        yield from _of_rows(split, datasets.load_dataset(str(folder), split=split, streaming=True))


def pandas_rows(folder: Path) -> Iterator[Row]:
    import pandas

    for split in SPLITS:
        rows = pandas.read_parquet(folder / "data" / split)
        for image, stored in zip(rows["image"], rows["stored_sha256"], strict=True):
            assert sha256(image["bytes"]).hexdigest() == stored
        yield from rows[["split", "sha256", "license"]].itertuples(index=False, name=None)


def duckdb_rows(folder: Path) -> Iterator[Row]:
    import duckdb

    yield from duckdb.execute(
        f"SELECT split, sha256, license FROM '{folder}/data/*/*.parquet' WHERE octet_length(image.bytes) > 0"
    ).fetchall()


READERS = {
    reader.__name__: reader
    for reader in (
        webdataset,
        datasets_folder,
        datasets_folder_streaming,
        datasets_files,
        datasets_files_streaming,
        mlcroissant,
        pandas_credits,
        pandas_verdicts,
        duckdb_credits,
        duckdb_verdicts,
    )
}
"""Name, which begins with that of the library -> what reads a folder of tars."""
ROWS_READERS = {
    reader.__name__: reader
    for reader in (
        datasets_rows,
        datasets_rows_streaming,
        pandas_rows,
        pandas_credits,
        pandas_verdicts,
        duckdb_rows,
        duckdb_credits,
        duckdb_verdicts,
    )
}
"""The same of a folder of Parquet."""


def library(reader: str) -> str:
    """Return the name of the library that a reader is of."""
    return reader.partition("_")[0]


def _show(folder: Path) -> None:
    for name, read in (ROWS_READERS if (folder / "data").is_dir() else READERS).items():
        try:
            importlib.import_module(library(name))
        except ImportError as error:
            print(f"{name:<26} not read: {error}")
            continue
        rows = list(read(folder))
        assert len(rows) == len(set(rows))
        splits = Counter(split for split, _, _ in rows)
        print(f"{name:<26} {version(library(name)):<8} train {splits['train']:,}, heldout {splits['heldout']:,}")


def _json(folder: Path, name: str) -> None:
    found: dict[str, dict[str, str]] = {split: {} for split in SPLITS}
    for split, key, license in (READERS | ROWS_READERS)[name](folder):
        assert key not in found[split]
        found[split][key] = license
    print(json.dumps(found))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        _json(Path(sys.argv[1]), sys.argv[2])
    else:
        _show(Path(sys.argv[1]))
