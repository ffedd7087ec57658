"""A small web on loopback that changes: pictures with ETags, and the APIs of Commons and Openverse."""

import json
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from byline.catalog.digests import sha256_hex
from tests.builders import a_picture, a_yfcc_line, encoded, write_corpus

BY = {
    "License": "cc-by-4.0",
    "LicenseShortName": "CC BY 4.0",
    "LicenseUrl": "https://creativecommons.org/licenses/by/4.0",
}
NUM_YFCC, NUM_COMMONS, NUM_OPENVERSE = 8, 3, 2


@dataclass
class Page:
    """A picture, or what is there instead."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait_s: float = 0.0


@dataclass
class Web:
    """What is served, and what was asked."""

    base: str = ""
    pages: dict[str, Page] = field(default_factory=dict)
    commons: dict[str, dict | None] = field(default_factory=dict)
    """Page id -> extmetadata; none for a page that is missing."""
    openverse: dict[str, dict] = field(default_factory=dict)
    lag: int = 0
    """How often Commons is still to say that it lags behind."""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    def answer(self, path: str, headers: dict[str, str]) -> Page:
        """Return the answer to a request, as the servers of the world would give it."""
        parts = urlsplit(path)
        if parts.path == "/w/api.php":
            return _json(self._of_commons(parse_qs(parts.query)))
        if parts.path.startswith("/v1/images/"):
            found = self.openverse.get(parts.path.split("/")[3])
            return _json(found) if found else _json({"detail": "No Image matches"}, status=404)
        page = self.pages.get(parts.path) or Page(b"none", 404, {"X-Robots-Tag": "noindex"})
        time.sleep(page.wait_s)
        etag = f'"{sha256_hex(page.body)[:16]}"'
        known = page.status == 200 and headers.get("If-None-Match") == etag
        return Page(b"" if known else page.body, 304 if known else page.status, {"ETag": etag, **page.headers})

    def _of_commons(self, query: dict[str, list[str]]) -> dict:
        if self.lag:
            self.lag -= 1
            return {"error": {"code": "maxlag", "info": "Waiting for a database server"}}
        pages: list[dict] = []
        for id in query["pageids"][0].split("|"):
            said = self.commons.get(id)
            if said is None:
                pages.append({"pageid": int(id), "missing": True})
            else:
                metadata = {name: {"value": value} for name, value in said.items()}
                pages.append({"pageid": int(id), "imageinfo": [{"extmetadata": metadata}]})
        return {"batchcomplete": True, "query": {"pages": pages}}


def _json(said: object, status: int = 200) -> Page:
    return Page(json.dumps(said).encode(), status, {"Content-Type": "application/json"})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        web = self.server.web
        if self.path not in ("/robots.txt", "/.well-known/tdmrep.json"):
            web.asked.append((self.path, dict(self.headers)))
        page = web.answer(self.path, dict(self.headers))
        self.send_response(page.status)
        for name, value in {
            "Content-Type": "image/jpeg",
            "Content-Length": str(len(page.body)),
            **page.headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(ConnectionError):  # whoever asked may be killed
            self.wfile.write(page.body)

    def log_message(self, *_):
        pass


@contextmanager
def a_web():
    """Serve a web, and give it; its pages may change at any time."""
    web = Web()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.web, web.base = web, f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()


def fill(web: Web) -> None:
    """Put everything back as it is when it is fetched."""
    names = [f"/y{n}.jpg" for n in range(NUM_YFCC)]
    names += [f"/c{n}.jpg" for n in range(NUM_COMMONS)] + [f"/o{n}.jpg" for n in range(NUM_OPENVERSE)]
    web.pages = {name: Page(encoded(a_picture(seed))) for seed, name in enumerate(names)}
    web.commons = {str(n + 1): dict(BY) for n in range(NUM_COMMONS)}
    web.openverse = {f"id{n}": _result(web, n) for n in range(NUM_OPENVERSE)}
    web.lag, web.asked = 0, []


def _result(web: Web, number: int) -> dict:
    return {
        "id": f"id{number}",
        "url": f"{web.base}/o{number}.jpg",
        "title": f"Open {number}",
        "creator": "Grace H.",
        "license": "by",
        "license_version": "4.0",
        "license_url": "https://creativecommons.org/licenses/by/4.0/",
        "foreign_landing_url": f"https://pages.example/{number}",
    }


def write_sources(folder, web: Web):
    """Write a corpus of three sources whose pictures and APIs are on `web`, and return its config's path."""
    lines = [a_yfcc_line(str(n), f"{web.base}/y{n}.jpg") for n in range(NUM_YFCC)]
    config = write_corpus(folder, lines)
    pages = [
        {
            "pageid": n + 1,
            "title": f"File:Commons {n}.jpg",
            "imageinfo": [
                {
                    "url": f"{web.base}/c{n}.jpg",
                    "user": "Ada L.",
                    "extmetadata": {name: {"value": value} for name, value in BY.items()},
                }
            ],
        }
        for n in range(NUM_COMMONS)
    ]
    (folder / "commons.json").write_text(json.dumps({"query": {"pages": pages}}))
    results = [_result(web, n) for n in range(NUM_OPENVERSE)]
    (folder / "openverse.json").write_text(json.dumps({"results": results}))
    tables = [
        f'[[sources]]\nname = "{name}"\nreader = "{name}"\npath = "{folder / name}.json"\nnum_packs = 1\n'
        for name in ("commons", "openverse")
    ]
    text = config.read_text().split("[serve]")[0]
    config.write_text(text.replace("[fetch]", "".join(tables) + "[fetch]"))
    return config
