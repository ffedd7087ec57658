"""A real server on loopback that speaks as much of the OpenAI API as captions need, and can be told to be unwell."""

import json
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

from PIL import Image

MODEL = "org/eyes"


class Answers:
    """What the server says: the mean color of the picture, unless it was told to say something else next."""

    def __init__(self) -> None:
        self.asked: list[dict] = []
        self.keys: list[str | None] = []
        self.next: list[tuple[int, dict[str, str], object]] = []
        self.listed: object = {"object": "list", "data": [{"id": MODEL}]}
        self.delay_s = 0.0
        self.most_at_once = self.at_once = 0
        self.lock = threading.Lock()

    def of(self, question: dict) -> tuple[int, dict[str, str], object]:
        with self.lock:
            self.asked.append(question)
            if self.next:
                return self.next.pop(0)
        url = question["messages"][0]["content"][0]["image_url"]["url"]
        image = Image.open(BytesIO(b64decode(url.partition(",")[2]))).convert("RGB")
        return 200, {}, answer(f"a picture of {image.resize((1, 1)).getpixel((0, 0))}")


def answer(text: object, model: str = MODEL) -> dict:
    return {"model": model, "choices": [{"message": {"role": "assistant", "content": text}}]}


@contextmanager
def served() -> Iterator[tuple[str, Answers]]:
    answers = Answers()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self.give(200, {}, answers.listed)

        def do_POST(self) -> None:
            with answers.lock:
                answers.at_once += 1
                answers.most_at_once = max(answers.most_at_once, answers.at_once)
                answers.keys.append(self.headers["Authorization"])
            body = self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(answers.delay_s)
            said = answers.of(json.loads(body))
            with answers.lock:
                answers.at_once -= 1
            self.give(*said)

        def give(self, status: int, headers: dict[str, str], body: object) -> None:
            sent = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(sent))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(sent)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", answers
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
