"""The sample corpus is whole: its files, its records and its credits name each other."""

import hashlib
import json
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from PIL import Image

SAMPLES = Path(__file__).parents[2] / "samples"
HOST = "https://samples.byline.example/"
# fmt: off
YFCC_COLUMNS = [
    "photoid", "uid", "unickname", "datetaken", "dateuploaded", "capturedevice", "title",
    "description", "usertags", "machinetags", "longitude", "latitude", "accuracy", "pageurl",
    "downloadurl", "licensename", "licenseurl", "serverid", "farmid", "secret",
    "secretoriginal", "ext", "marker",
]
# fmt: on
NUM_LINK_ROT = 6


@cache
def commons() -> list[dict]:
    answers = json.loads((SAMPLES / "sources/commons.json").read_text(encoding="utf-8"))
    return [page for answer in answers for page in answer["query"]["pages"].values()]


@cache
def openverse() -> list[dict]:
    pages = json.loads((SAMPLES / "sources/openverse.json").read_text(encoding="utf-8"))
    return [result for page in pages for result in page["results"]]


@cache
def yfcc() -> list[dict]:
    lines = (SAMPLES / "sources/yfcc.tsv").read_text(encoding="utf-8").splitlines()
    return [dict(zip(YFCC_COLUMNS, line.split("\t"), strict=True)) for line in lines]


@cache
def claims() -> dict[str, str]:
    """The license that each record claims, by the path of its picture."""
    pairs = [
        (
            page["imageinfo"][0]["url"],
            page["imageinfo"][0]["extmetadata"]["LicenseShortName"]["value"],
        )
        for page in commons()
    ]
    pairs += [(result["url"], result["license"]) for result in openverse()]
    pairs += [(row["downloadurl"], row["licensename"]) for row in yfcc()]
    assert len(dict(pairs)) == len(pairs), "two records name one URL"
    assert all(url.startswith(HOST) for url, _ in pairs)
    return {url.removeprefix(HOST): license for url, license in pairs}


@cache
def shipped() -> frozenset[str]:
    files = [*SAMPLES.glob("photographs/*"), *SAMPLES.glob("drawings/*")]
    return frozenset(file.relative_to(SAMPLES).as_posix() for file in files)


def is_free(license: str) -> bool:
    return license.lower().startswith(("by", "cc", "public domain"))


def test_every_shipped_file_has_a_record():
    assert shipped() <= claims().keys()


def test_only_free_licenses_are_shipped():
    assert all(is_free(claims()[path]) for path in shipped())


def test_a_free_picture_is_missing_only_as_link_rot():
    missing = [path for path in claims() if path not in shipped() and is_free(claims()[path])]
    assert len(missing) == NUM_LINK_ROT


def test_there_are_enough_pictures():
    count = Counter(path.split("/")[0] for path in shipped())
    assert count["photographs"] >= 400
    assert count["drawings"] >= 2000


def test_every_picture_opens_at_the_size_its_record_gives():
    sizes = {
        page["imageinfo"][0]["url"]: (page["imageinfo"][0]["width"], page["imageinfo"][0]["height"])
        for page in commons()
        if "width" in page["imageinfo"][0]
    }
    sizes |= {result["url"]: (result["width"], result["height"]) for result in openverse()}
    for path in shipped():
        with Image.open(SAMPLES / path) as image:
            image.load()
            longest_px, kind = (256, "JPEG") if path.startswith("photographs/") else (80, "PNG")
            assert image.format == kind, path
            assert max(image.size) <= longest_px, path
            assert sizes.get(HOST + path, image.size) == image.size, path


def test_no_photograph_is_where_or_when_nobody_said():
    invented = ("longitude", "latitude", "accuracy", "datetaken", "dateuploaded", "uid", "secret")
    assert not any(row[column] for row in yfcc() for column in invented)
    keys = {key for page in commons() for key in page["imageinfo"][0]["extmetadata"]}
    assert not keys & {"GPSLatitude", "GPSLongitude", "DateTimeOriginal", "DateTime"}


@pytest.mark.parametrize(
    "ids",
    [
        lambda: [page["pageid"] for page in commons()],
        lambda: [result["id"] for result in openverse()],
        lambda: [row["photoid"] for row in yfcc()],
    ],
    ids=["commons", "openverse", "yfcc"],
)
def test_ids_are_unique_in_their_source(ids):
    assert len(set(ids())) == len(ids())


def test_some_photographs_are_offered_twice_with_the_same_bytes():
    photographs = [path for path in shipped() if path.startswith("photographs/")]
    digests = Counter(hashlib.sha256((SAMPLES / path).read_bytes()).hexdigest() for path in photographs)
    assert sum(count == 2 for count in digests.values()) >= 12


def test_credits_name_every_shipped_file():
    lines = (SAMPLES / "CREDITS.md").read_text(encoding="utf-8").splitlines()
    credited = [line.removeprefix("- ").split(": ")[0] for line in lines if line.startswith("- ")]
    assert sorted(credited) == sorted(shipped())


def test_readme_counts_are_those_of_the_files():
    readme = (SAMPLES / "README.md").read_text(encoding="utf-8")
    files = {
        "commons.json": [page["imageinfo"][0]["url"] for page in commons()],
        "yfcc.tsv": [row["downloadurl"] for row in yfcc()],
        "openverse.json": [result["url"] for result in openverse()],
    }
    for file, urls in files.items():
        num_shipped = sum(url.removeprefix(HOST) in shipped() for url in urls)
        assert f"| `sources/{file}` | {len(urls)} | {num_shipped} |" in readme


def _size_bytes(folder):
    files = [file for file in folder.rglob("*") if file.is_file() and file.suffix != ".pyc"]
    return sum(file.stat().st_size for file in files)


def test_corpus_and_models_are_small():
    models = {folder.name: _size_bytes(folder) for folder in (SAMPLES / "models").iterdir()}
    assert _size_bytes(SAMPLES) - sum(models.values()) <= 10_500_000
    assert models.pop("tiny-blip2") <= 7_000_000
    assert max(models.values()) <= 4_000_000
