"""Captions by any OpenAI-compatible server: vLLM, SGLang, `transformers serve`. Needs no torch and no weights here."""

import os
from base64 import b64encode
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from io import BytesIO
from typing import Any, Literal

from PIL import Image
from pydantic import BaseModel, Field

from byline.captioning.captioners import Caption, CaptionRequest, Written
from byline.captioning.hygiene import clean_caption
from byline.captioning.server import Address, RefusedError, Reply, Server
from byline.captioning.shown import shown
from byline.catalog.corpora.facts import instrument_name
from byline.catalog.digests import canonical_json
from byline.catalog.errors import ServerError

_VERSION = "1"
PROBE_PX = 64


class ServedMachineConfig(BaseModel, frozen=True, extra="forbid"):
    """How the server is asked. None of it can change a caption."""

    concurrency: int = Field(default=32, ge=1, le=1024)
    """Requests under way at a time, of each worker."""
    timeout_s: float = Field(default=120.0, gt=0)
    retries: int = Field(default=6, ge=0, le=20)
    """How often a request is made again after 429, 5xx, a broken connection or no answer in time: after 0.5 s, and each
    time after twice as long, or when the server says."""
    key_variable: str = Field(default="OPENAI_API_KEY", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """The environment variable that holds the key, if the server wants one. The key itself is written nowhere."""


class ServedConfig(BaseModel, frozen=True, extra="forbid"):
    """A model on a server and how it is asked."""

    captioner: Literal["openai"]
    url: str = Field(pattern=r"^https?://[^@\s]+$")
    """Where the API begins, such as `http://localhost:8000/v1`. It may move: captions stay those of the model."""
    model: str = Field(min_length=1)
    """The model, as the server calls it."""
    revision: str = ""
    """What the server's weights are, such as a hub's commit. Few servers say; one that says another is refused."""
    prompt: str = Field(default="Describe the picture in one sentence.", min_length=1)
    max_new_tokens: int = Field(default=60, ge=1, le=4096)
    temperature: float = Field(default=0.0, ge=0, le=2)
    seed: int = Field(default=0, ge=0)
    max_characters: int = Field(default=300, ge=8)
    machine: ServedMachineConfig = ServedMachineConfig()


class ServedCaptioner:
    """Writes what a server's model says of the pixels; title and tags are not sent.

    Whether equal requests have equal answers is up to the server: those that join requests in batches round differently
    in each, and say so. A change of the model in the middle is an error.
    """

    needs_pixels = True

    def __init__(self, config: ServedConfig) -> None:
        self.config = config

    @property
    def instrument(self) -> str:
        """Known without the server: a release is made again, and a picture taken down, when it is long gone."""
        return instrument_name("openai", _VERSION, self.config.model_dump(mode="json", exclude={"url", "machine"}))

    def caption(self, batch: Sequence[CaptionRequest]) -> list[str]:
        return [written[0].text for written in self.captions(batch)]

    def captions(self, requests: Iterable[CaptionRequest]) -> Iterator[tuple[Written, ...]]:
        """Yield a caption for each request, in their order; empty for a picture that the server cannot take.

        Raises `ServerError` for a server that is down, slow, busy for too long, or that answers what is no caption.
        """
        concurrency = self.config.machine.concurrency
        ahead: deque[Future[Written]] = deque()
        with ThreadPoolExecutor(concurrency) as pool:
            try:
                for request in requests:
                    self._probed  # noqa: B018  before the first picture, and not when there is none
                    ahead.append(pool.submit(self._caption, request))
                    if len(ahead) >= 2 * concurrency:
                        yield (ahead.popleft().result(),)
                while ahead:
                    yield (ahead.popleft().result(),)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def attributed(self, text: str) -> Caption:
        config = self.config
        decoding = canonical_json(self._decoding).decode()
        return Caption(
            text=text,
            model=config.model,
            revision=config.revision,
            prompt=config.prompt,
            decoding=decoding,
            seed=config.seed,
        )

    @property
    def _decoding(self) -> dict[str, Any]:
        return {"max_tokens": self.config.max_new_tokens, "temperature": self.config.temperature}

    @cached_property
    def _server(self) -> Server:
        machine = self.config.machine
        address = Address(self.config.url.rstrip("/"), self.config.model, self.config.revision)
        key = os.environ.get(machine.key_variable, "")
        return Server(
            address, key=key, timeout_s=machine.timeout_s, retries=machine.retries, connections=machine.concurrency
        )

    @cached_property
    def _probed(self) -> bool:
        """Ask of a gray picture, so that what is wrong with the server is told apart from what is with a picture."""
        self._server.check_listed()
        buffer = BytesIO()
        Image.new("RGB", (PROBE_PX, PROBE_PX), "gray").save(buffer, "PNG")
        try:
            self._ask(CaptionRequest(sha256="probe", image=buffer.getvalue()))
        except RefusedError as error:
            raise ServerError(f"{error}; say a model that takes pictures, or a shorter prompt") from error
        return True

    def _caption(self, request: CaptionRequest) -> Written:
        try:
            reply = self._ask(request)
        except RefusedError:
            return Written(text="")
        return Written(text=clean_caption(reply.text, self.config.max_characters), num_tokens=reply.num_tokens)

    def _ask(self, request: CaptionRequest) -> Reply:
        content = [
            {"type": "image_url", "image_url": {"url": _data_url(request)}},
            {"type": "text", "text": self.config.prompt},
        ]
        messages = [{"role": "user", "content": content}]
        return self._server.ask({"messages": messages, "seed": self.config.seed, **self._decoding})


def _data_url(request: CaptionRequest) -> str:
    """Return a picture as it is meant to be seen, as a URL: an upright JPEG as it is, everything else as a PNG."""
    image = shown(request)
    assert request.image is not None
    stored = Image.open(BytesIO(request.image))
    if stored.format == "JPEG" and stored.mode in ("RGB", "L") and stored.getexif().get(0x0112, 1) == 1:
        return f"data:image/jpeg;base64,{b64encode(request.image).decode()}"
    buffer = BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"
