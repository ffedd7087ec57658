"""What harvests ask and save, as these tests read it."""

import json
from urllib.parse import parse_qsl, urlsplit

CONTACT = "ada@example.org"
HTML = (200, {"Content-Type": "text/html"}, b"<html><title>Welcome</title>")
LAGS = b'{"error": {"code": "maxlag", "info": "Waiting for a database server: 6.2 seconds lagged"}}'


def saved_lines(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def query_of(path):
    return dict(parse_qsl(urlsplit(path).query))
