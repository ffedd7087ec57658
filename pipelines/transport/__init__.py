"""The one place that meets the network: a URL in, bytes or an outcome out. `fetch` is given a `Transport`."""

from pipelines.transport.answers import USER_AGENT, Answer, Known, Transport
from pipelines.transport.http import HttpTransport

__all__ = ["USER_AGENT", "Answer", "HttpTransport", "Known", "Transport"]
