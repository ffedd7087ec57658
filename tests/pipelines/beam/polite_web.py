"""Hosts that tell who asked them what and when: each is a port of one address, so that workers elsewhere reach it."""

import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness.web_log import TOO_MANY, Request
from tests.builders import a_picture, encoded

ROBOTS = b"User-agent: *\nDisallow: /private/\n"


@dataclass
class Host:
    """How one host answers, and what it was asked."""

    latency_s: float = 0.0
    rest_s: int = 0
    """What it asks for, by a 429, when it is first asked for a picture."""
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    clients: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    rests_until: float = 0.0

    def status(self, path: str, now: float) -> int:
        """Return the status of an answer that is given now."""
        if path == "/.well-known/tdmrep.json":
            return 404
        if not path.endswith(".jpg") or not self.rest_s:
            return 200
        if not self.rests_until:
            self.rests_until = now + self.rest_s
        return TOO_MANY if now < self.rests_until else 200

    def asked(self, ending: str) -> list[Request]:
        """Return the requests for what ends so."""
        return [request for request in sorted(self.requests) if request.path.endswith(ending)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        arrived_s, host = time.monotonic(), self.server.host
        with host.lock:
            host.in_flight += 1
            in_flight = host.in_flight
            status = host.status(self.path, arrived_s)
            host.clients[self.client_address[0]] += self.path.endswith(".jpg")
        time.sleep(host.latency_s)
        body = b"" if status != 200 else ROBOTS if self.path == "/robots.txt" else self.server.picture(self.path)
        answered_s = time.monotonic()
        with host.lock:  # before the answer goes: whoever has it may ask again at once
            host.in_flight -= 1
            told = {"host": host.url, "path": self.path, "status": status, "in_flight": in_flight}
            host.requests.append(Request(arrived_s=arrived_s, answered_s=answered_s, **told))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status == TOO_MANY:
            self.send_header("Retry-After", str(host.rest_s))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    host: Host

    def picture(self, path):
        return encoded(a_picture(self.server_port * 1000 + int(path[1:-4])))

    def handle_error(self, *_):
        pass


@contextmanager
def serving(address: str, hosts: list[Host]):
    """Serve hosts until the block ends; each gets its URL."""
    with ExitStack() as stack:
        for host in hosts:
            server = stack.enter_context(_Server((address, 0), _Handler))
            server.host, host.url = host, f"http://{address}:{server.server_port}"
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
        yield hosts
