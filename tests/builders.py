"""Small real things for tests: records, pictures, corpora on disk, a server that misbehaves."""

import hashlib
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import numpy as np
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiMetrics, FnApiRunner
from PIL import Image

from byline.catalog.corpora.builds import CLOCK_MS, PROCESSOR_MS
from byline.catalog.corpora.records import Evidence, ImageRecord
from byline.pipelines.facts.measures import CAPTIONING_MS_BY
from byline.pipelines.fetching.config import FetchConfig
from byline.pipelines.fetching.transport.hosts import Hosts
from byline.pipelines.fetching.transport.sharing import SharedHere
from byline.pipelines.sources.readers.yfcc import COLUMNS

BY_4 = "https://creativecommons.org/licenses/by/4.0/"
POLICY = """
[license]
families = ["CC0", "CC-BY", "CC-BY-SA"]
[duplicates]
radius_bits = 12
[split]
heldout_fraction = 0.2
[release]
obligations = ["attribution", "share-alike"]
"""


def a_record(**overrides):
    """Return a record that every test may change in one place."""
    evidence = Evidence(file="a.json", place="line 1", sha256="0" * 64)
    fields = {"source": "test", "id": "1", "url": "http://example.org/1.jpg", "evidence": evidence}
    return ImageRecord(**{**fields, **overrides})


LOOPBACK = ("127.0.0.0/8",)


def a_fetch_config(**overrides) -> FetchConfig:
    """Return how to ask a server of this machine, once for each URL."""
    return FetchConfig(**{"contact": "tests@byline.example", "allow": LOOPBACK, "retries": 0, **overrides})


def shared_in(folder: Path, config: FetchConfig) -> SharedHere:
    """Share hosts' limits with those alone who meet in a folder."""
    return SharedHere(Hosts(per_host=config.per_host, rate_per_s=config.rate_per_s, folder=folder))


def a_picture(seed: int = 0, *, size: tuple[int, int] = (96, 64)) -> Image.Image:
    """Return a picture of soft color blobs: equal seeds look alike, others do not."""
    blobs = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(blobs).resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "JPEG", **options) -> bytes:
    """Return the file of a picture."""
    sink = BytesIO()
    image.save(sink, kind, **options)
    return sink.getvalue()


def a_yfcc_line(photoid: str, url: str, **overrides) -> str:
    """Return one line of a YFCC file, licensed and credited unless told otherwise."""
    row = dict.fromkeys(COLUMNS, "")
    row |= {"photoid": photoid, "downloadurl": url, "title": f"blobs+number+{photoid}", "unickname": "Ada+L."}
    row |= {"licensename": "Attribution License", "licenseurl": BY_4, "marker": "0", **overrides}
    return "\t".join(row.values())


def a_corpus(folder: Path, *, num_pictures: int = 12, num_packs: int = 3, root: str | None = None) -> Path:
    """Write pictures, metadata, policy and config of a small corpus, and return the config's path."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True)
    lines = []
    for number in range(num_pictures):
        (pictures / f"{number}.jpg").write_bytes(encoded(a_picture(number)))
        lines.append(a_yfcc_line(str(number), f"https://pictures.example/{number}.jpg"))
    return write_corpus(folder, lines, num_packs=num_packs, root=root)


def write_corpus(folder: Path, lines: list[str], *, num_packs: int = 1, root: str | None = None) -> Path:
    """Write metadata, policy and config of a corpus whose pictures lie in `folder`/pictures."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    (folder / "metadata.tsv").write_text("".join(line + "\n" for line in lines))
    (folder / "policy.toml").write_text(POLICY)
    config = folder / "corpus.toml"
    config.write_text(f"""
name = "small"
root = "{root or folder / "corpus"}"
policy = "{folder / "policy.toml"}"
[[sources]]
name = "test"
reader = "yfcc"
path = "{folder / "metadata.tsv"}"
num_packs = {num_packs}
[fetch]
timeout_s = 2.0
retries = 0
contact = "tests@byline.example"
allow = ["127.0.0.0/8"]
[caption]
captioner = "source-text"
[serve]
"https://pictures.example/" = "{folder / "pictures"}"
""")
    return config


def without_times(done: dict[str, int]) -> dict[str, int]:
    """Return what a build noted to have done, but for how long it took."""
    times = (CAPTIONING_MS_BY, PROCESSOR_MS, CLOCK_MS)
    return {name: number for name, number in done.items() if not name.startswith(times)}


class CountingRunner(FnApiRunner):
    """Beam's own runner, found by its name, that counts what it ran."""

    runs = 0

    def run_pipeline(self, *arguments, **options):
        type(self).runs += 1
        return super().run_pipeline(*arguments, **options)


class UncountingRunner(FnApiRunner):
    """Beam's own runner that tells nothing of what its workers counted, as not every runner does."""

    def run_pipeline(self, *arguments, **options):
        result = super().run_pipeline(*arguments, **options)
        result.metrics = lambda: FnApiMetrics({})
        return result


def tree_digest(folder: Path) -> str:
    """Return one digest of the names and bytes of all files below a folder."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


Answer = tuple[int, str, bytes] | tuple[int, str, bytes, list[tuple[str, str]]]
"""Status, content type, body, and headers if there are more."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    answers: dict[str, Answer]
    asked: list[str]


class _Misbehaving(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path not in ("/robots.txt", "/.well-known/tdmrep.json"):
            self.server.asked.append(self.path)
        if self.path.startswith("/slow"):
            time.sleep(0.2)
        if self.path == "/hangs":
            time.sleep(5)
            return
        if self.path == "/cut-off":
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.send_header("X-Robots-Tag", "noai")
            self.end_headers()
            self.wfile.write(b"\xff\xd8\xff")
            return
        if self.path == "/to-credentials":
            self.send_response(302)
            self.send_header("Location", "http://user:secret@127.0.0.1:9/a")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        status, kind, body, *more = self.server.answers.get(self.path, (404, "text/html", b"gone"))
        self.send_response(status)
        for name, value in more[0] if more else ():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def a_server(answers: dict[str, Answer], port: int = 0):
    """Serve `answers` (which may change) and give the server's base URL and what it was asked.

    With the `port` of one that is gone it is that server, up again.

    `/hangs` never answers, `/cut-off` says `X-Robots-Tag: noai` and promises more bytes than it sends, `/slow...` takes
    0.2 s, and `/to-credentials` redirects to a URL with a password.
    """
    server = _Server(("127.0.0.1", port), _Misbehaving)
    server.answers, server.asked = answers, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server.asked
    finally:
        server.shutdown()
        server.server_close()
