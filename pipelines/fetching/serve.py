"""Serve folders over HTTP on loopback, for the time of a build."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from byline.catalog.errors import ConfigError


class _QuietHandler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keep-alive

    def log_message(self, *_: object) -> None:
        """Say nothing: the pack index has every outcome."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 256  # several fetching processes connect at once
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of who went away, as all do when a build is stopped."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(folder: str) -> Iterator[str]:
    """Serve `folder` on a free port of 127.0.0.1 and give its base URL, which ends in `/`."""
    if not Path(folder).is_dir():
        raise ConfigError(f"no folder at {folder} to serve; [serve] names folders, from the folder of the config")
    handler = partial(_QuietHandler, directory=folder)
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
