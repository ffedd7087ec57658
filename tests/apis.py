"""A loopback server that speaks the APIs of Wikimedia Commons and Openverse, and errs when it is told to."""

import json
import ssl
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, urlsplit

KEY = ("an-id", "a-secret")
Fault = tuple[int, dict[str, str], bytes]
"""Status, headers and body that one request gets in place of its answer."""


def a_commons_page(number: int, **overrides):
    """Return a page as `formatversion=2` has it."""
    said = {"LicenseShortName": "CC BY 4.0", "Artist": f"<b>Ada</b> {number}", "GPSLatitude": 64.1}
    info = {"url": f"https://upload.example/{number}.jpg", "width": 4, "height": 3, "sha1": f"{number:040d}"}
    info["extmetadata"] = {key: {"value": value} for key, value in said.items()}
    return {"pageid": number, "ns": 6, "title": f"File:{number}.jpg", "imageinfo": [info], **overrides}


def an_openverse_result(number: int, **overrides):
    """Return one result of a search."""
    said = {"id": str(number), "url": f"https://images.example/{number}.jpg", "license": "by", "license_version": "4.0"}
    return {**said, "title": f"Number {number}", "tags": [], **overrides}


class Apis(ThreadingHTTPServer):
    """What the server has, what it was asked, and how it errs."""

    daemon_threads = True
    num_pictures = 12
    max_pages = 1000
    """Of an Openverse search."""
    splits = False
    """Whether the images of a Commons answer come in two answers."""
    date: str | None = None
    """In place of the time."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[float, str]] = []
        self.agents: list[str] = []
        self.faults: list[Fault] = []
        self.overrides: dict[int, dict] = {}
        self.scheme = "http"

    def handle_error(self, *_):
        """A client that hangs up, as over a bad certificate, is what is tested."""

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    @property
    def paths(self) -> list[str]:
        """What was asked for, without what was asked of the token."""
        return [path for _, path in self.asked if "auth_tokens" not in path]

    def commons(self, said: dict[str, str]) -> object:
        """Answer `action=query`."""
        if "titles" in said:
            titles = said["titles"].split("|")
            start, size = 0, len(titles)
            pages = [
                a_commons_page(int(t[5:-4])) if t[5:-4].isdigit() else {"title": t, "missing": True} for t in titles
            ]
        else:
            start, size = int(said.get("gcmcontinue", 0)), int(said["gcmlimit"])
            numbers = range(start, min(start + size, self.num_pictures))
            pages = [a_commons_page(number + 1, **self.overrides.get(number, {})) for number in numbers]
        answer: dict = {"curtimestamp": "2026-01-02T03:04:05Z", "query": {"pages": pages}}
        if self.splits:
            is_first = "iistart" not in said
            for page in pages[len(pages) // 2 :] if is_first else pages[: len(pages) // 2]:
                del page["imageinfo"]
            if is_first:
                kept = {"gcmcontinue": said["gcmcontinue"]} if "gcmcontinue" in said else {}
                return {**answer, "continue": {"iistart": "half", "continue": "||", **kept}}
        answer["batchcomplete"] = True
        if "titles" not in said and start + size < self.num_pictures:
            answer["continue"] = {"gcmcontinue": str(start + size), "continue": "gcmcontinue||"}
        return answer

    def openverse(self, said: dict[str, str]) -> object:
        """Answer a search."""
        page, size = int(said["page"]), int(said["page_size"])
        numbers = range((page - 1) * size, min(page * size, self.num_pictures))
        results = [an_openverse_result(number + 1, **self.overrides.get(number, {})) for number in numbers]
        num_pages = min(-(-self.num_pictures // size), self.max_pages)
        return {"result_count": self.num_pictures, "page_count": num_pages, "page": page, "results": results}


class _Handler(BaseHTTPRequestHandler):
    server: Apis

    def do_GET(self):
        address = urlsplit(self.path)
        self.server.asked.append((time.monotonic(), self.path))
        self.server.agents.append(self.headers["User-Agent"])
        if self.server.faults:
            self._send(*self.server.faults.pop(0))
        elif address.path == "/v1/images/":
            if (
                int(dict(parse_qsl(address.query))["page_size"]) > 20
                and self.headers["Authorization"] != "Bearer right"
            ):
                self._say({"detail": "page_size must be between 1 & 20 for unauthenticated requests."}, 401)
            else:
                self._say(self.server.openverse(dict(parse_qsl(address.query))))
        else:
            self._say(self.server.commons(dict(parse_qsl(address.query))))

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.server.asked.append((time.monotonic(), self.path))
        if (form["client_id"][0], form["client_secret"][0]) == KEY:
            self._say({"access_token": "right", "expires_in": 43200, "token_type": "Bearer"})
        else:
            self._say({"error": "invalid_client", "detail": f"no such client {form['client_secret'][0]}"}, 401)

    def _say(self, answer, status: int = 200):
        self._send(status, {"Content-Type": "application/json"}, json.dumps(answer).encode())

    def _send(self, status: int, headers: dict[str, str], body: bytes):
        self.send_response_only(status)
        self.send_header("Date", self.server.date or self.date_time_string())
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def the_apis(*, certificate: str | None = None):
    """Serve both APIs; over TLS with a file of certificate and key."""
    server = Apis()
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.scheme = "https"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
