"""The one place that meets the network: a URL in, bytes or an outcome out. `fetch` is given a `Transport`."""

from byline.pipelines.fetching.transport.answers import Answer, Known, NotYetError, Transport, user_agent
from byline.pipelines.fetching.transport.http import HttpTransport

__all__ = ["Answer", "HttpTransport", "Known", "NotYetError", "Transport", "user_agent"]
