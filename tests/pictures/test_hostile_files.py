"""Files that nobody should send: each has an outcome, none costs memory or the process."""

import re
import subprocess
import sys
import zlib
from io import BytesIO
from pathlib import Path
from struct import pack
from zipfile import ZipFile

import numpy as np
import pytest

from byline.catalog.corpora.packs import Outcome
from byline.pictures.config import PixelConfig
from byline.pictures.pixels import UnusableError, store_image
from tests.builders import a_picture, encoded

KINDS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
WHOLE = {kind: encoded(a_picture(size=(200, 150)), kind) for kind in KINDS}
USABLE = frozenset({Outcome.FETCHED})
MEMORY_BYTES = 3 << 30
"""Address space of the process that reads all of them; importing what decodes takes a third of it."""


def _outcome(data):
    try:
        store_image(data, **PixelConfig().model_dump())
    except UnusableError as error:
        return error.outcome
    return Outcome.FETCHED


def _chunk(kind, data):
    return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))


def _png(width, height, *chunks):
    header = _chunk(b"IHDR", pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + _chunk(b"IEND", b"")


def _zip():
    sink = BytesIO()
    with ZipFile(sink, "w") as archive:
        archive.writestr("a.class", b"x" * 100)
    return sink.getvalue()


def truncated():
    """Yield files that are cut off at every twentieth of them."""
    for kind, data in WHOLE.items():
        for part in range(1, 20):
            yield f"{kind} cut at {part}/20", data[: len(data) * part // 20]


def bombs():
    """Yield files that promise more than they are."""
    pixels = _chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    for width, height in ((60_000, 60_000), (2**31 - 1, 2**31 - 1), (1, 2**31 - 1), (0, 10), (10, 0), (20_000, 10_000)):
        yield f"PNG of {width}x{height}", _png(width, height, pixels)
    for side in (30_000, 65_535):
        yield f"GIF of {side}", b"GIF89a" + pack("<HH", side, side) + b"\x80\0\0" + b"\0" * 6 + b";"
        yield f"BMP of {side}", b"BM" + pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)
        jpeg = WHOLE["JPEG"]
        place = jpeg.index(b"\xff\xc0") + 5
        yield f"JPEG of {side}", jpeg[:place] + pack(">HH", side, side) + jpeg[place + 4 :]


def wrong_types():
    """Yield what is no picture."""
    for name, start in {
        "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "XML": b"<?xml version='1.0'?><svg/>",
        "HTML": b"<!DOCTYPE html><html>",
        "PDF": b"%PDF-1.7\n",
        "ZIP": b"PK\3\4",
        "gzip": b"\x1f\x8b\x08",
        "RAR": b"Rar!\x1a\x07",
        "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n",
        "WMF": b"\xd7\xcd\xc6\x9a",
        "ELF": b"\x7fELF",
        "MP4": b"\0\0\0\x18ftypmp42",
        "AVIF": b"\0\0\0\x18ftypavif",
        "PSD": b"8BPS\0\1",
        "ICO": b"\0\0\1\0",
        "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n",
        "pickle": b"\x80\x04\x95",
        "nothing": b"",
    }.items():
        yield name, start
        if start:
            yield f"{name} with more", start + b"\0" * 5000


def polyglots():
    """Yield pictures that are something else too."""
    for kind in KINDS:
        yield f"{kind} and ZIP", WHOLE[kind] + _zip()
        yield f"{kind} and page", WHOLE[kind] + b"<html><script>alert(1)</script></html>"
        yield f"{kind} and PDF", WHOLE[kind] + b"%PDF-1.4\n1 0 obj\nendobj\nstartxref\n"


def odd():
    """Yield small pictures with more in them than is unpacked, and files with bytes changed at places from a seed.

    Some are usable, some not.
    """
    zeros = zlib.compress(b"\0" * 50_000_000)
    pixels = _chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    yield "PNG with too much data", _png(10, 10, _chunk(b"IDAT", zeros))
    yield "PNG with a profile bomb", _png(10, 10, _chunk(b"iCCP", b"p\0\0" + zeros), pixels)
    yield "PNG with a text bomb", _png(10, 10, _chunk(b"zTXt", b"t\0\0" + zeros), pixels)
    for kind, data in WHOLE.items():
        for seed in range(12):
            random = np.random.default_rng(seed)
            changed = bytearray(data)
            for place in random.integers(0, len(data), 20):
                changed[place] = random.integers(0, 256)
            yield f"{kind} changed {seed}", bytes(changed)


def refused():
    """Yield all that must not become a picture."""
    for make in (truncated, bombs, wrong_types, polyglots):
        yield from make()


@pytest.mark.parametrize(("name", "data"), [pytest.param(*one, id=one[0]) for one in refused()])
def test_it_is_refused(name, data):
    assert _outcome(data) not in USABLE


@pytest.mark.parametrize("kind", KINDS)
def test_what_they_were_made_of_is_a_picture(kind):
    assert _outcome(WHOLE[kind]) == Outcome.FETCHED


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("trailer", [b"\0" * 64, b"\r\n", WHOLE["JPEG"], b"\0\0\0\x18ftypmp42" + b"\1" * 100])
def test_trailers_that_cameras_write_are_harmless(kind, trailer):
    assert _outcome(WHOLE[kind] + trailer) == Outcome.FETCHED


def test_a_polyglot_is_named():
    with pytest.raises(UnusableError, match="JPEG and ZIP at once"):
        store_image(WHOLE["JPEG"] + _zip(), **PixelConfig().model_dump())


@pytest.mark.slow
def test_all_of_them_cost_bounded_memory_and_no_process():
    assert len([*refused(), *odd()]) >= 200
    resource_limit = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({MEMORY_BYTES}, {MEMORY_BYTES}))"
    program = f"{resource_limit}; import tests.pictures.test_hostile_files as t; t.read_all()"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, timeout=300, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) < 1 << 20, "KiB at most"


def read_all():
    """Read every file, and print the most memory that this process held, in KiB."""
    for _, data in (*refused(), *odd()):
        _outcome(data)
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())  # ru_maxrss is inherited
    print(peak)
