"""A real server on loopback that speaks the OpenAI API; and where it is installed, `transformers serve`."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image

from byline.captioning import make_captioner
from byline.captioning.generating import TransformersConfig
from byline.captioning.served import ServedCaptioner, ServedConfig
from byline.catalog.errors import ServerError
from tests.captioning.answering import MODEL, answer, served
from tests.captioning.models import requests, save_tiny_llava
from tests.training.processes import free_port


def a_captioner(url: str, *, machine: dict | None = None, **overrides) -> ServedCaptioner:
    table = {"captioner": "openai", "url": url, "model": MODEL, "machine": machine or {}, **overrides}
    captioner = make_captioner(ServedConfig(**table))
    assert isinstance(captioner, ServedCaptioner)
    return captioner


def test_captions_are_those_of_the_pictures_in_their_order_however_many_are_asked_at_once():
    with served() as (url, answers):
        alone = a_captioner(url, machine={"concurrency": 1}).caption(requests())
        answers.delay_s = 0.05
        assert a_captioner(url, machine={"concurrency": 4}).caption(requests()[::-1]) == alone[::-1]
    assert alone[0] == "a picture of (255, 0, 0)"
    assert 1 < answers.most_at_once <= 4


def test_the_prompt_and_the_decoding_are_sent():
    with served() as (url, answers):
        a_captioner(url, prompt="say it", max_new_tokens=7, temperature=0.5, seed=3).caption(requests()[:1])
    asked = answers.asked[-1]
    assert asked["messages"][0]["content"][1] == {"type": "text", "text": "say it"}
    assert (asked["model"], asked["max_tokens"], asked["temperature"], asked["seed"]) == (MODEL, 7, 0.5, 3)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(status):
    with served() as (url, answers):
        captioner = a_captioner(url, machine={"retries": 1})
        expected = captioner.caption(requests()[:1])
        answers.next = [(status, {}, "busy")]
        assert captioner.caption(requests()[:1]) == expected


def test_a_server_that_stays_busy_ends_the_build_with_one_line():
    with served() as (url, answers):
        answers.next = [(429, {}, "too\nmany")] * 2
        with pytest.raises(ServerError, match=r"/v1 answered 429: too many, 2 times; start it, lower") as raised:
            a_captioner(url, machine={"retries": 1}).caption(requests()[:1])
    assert "\n" not in str(raised.value)


def test_a_server_that_is_down_is_told_in_one_line():
    with pytest.raises(ServerError, match=r"/v1 cannot be reached \(.*\), 1 times; start it"):
        a_captioner(f"http://127.0.0.1:{free_port()}/v1", machine={"retries": 0}).caption(requests())


def test_a_slow_server_is_told_in_one_line():
    with served() as (url, answers):
        answers.delay_s = 0.5
        with pytest.raises(ServerError, match=r"did not answer within 0.1 s, 1 times"):
            a_captioner(url, machine={"retries": 0, "timeout_s": 0.1}).caption(requests()[:1])


@pytest.mark.parametrize("body", ["<html>hello</html>", {"choices": []}, answer(5), {"model": MODEL}, []])
def test_nonsense_is_told_in_one_line(body):
    with served() as (url, answers):
        answers.next = [(200, {}, body)]
        with pytest.raises(ServerError, match="answered what is none of the OpenAI API"):
            a_captioner(url).caption(requests()[:1])


def test_a_picture_that_the_server_cannot_take_has_no_caption():
    with served() as (url, answers):
        captioner = a_captioner(url, machine={"concurrency": 1})
        captioner.caption(requests()[:1])
        answers.next = [(400, {}, "too small"), (200, {}, answer(None))]
        captions = captioner.caption(requests()[:3])
    assert [bool(caption) for caption in captions] == [False, False, True]


def test_a_prompt_that_the_server_cannot_take_ends_the_build():
    with served() as (url, answers):
        answers.next = [(400, {}, "maximum context length is 64 tokens")]
        with pytest.raises(ServerError, match="answered 400: maximum context length is 64 tokens; say a model"):
            a_captioner(url).caption(requests()[:1])


def test_a_key_that_is_not_taken_is_told_without_it(monkeypatch):
    monkeypatch.setenv("EYES_KEY", "very-secret")
    with served() as (url, answers):
        answers.next = [(401, {}, "wrong key")]
        with pytest.raises(ServerError, match="answered 401.*wrong key; look at url, model and the key") as raised:
            a_captioner(url, machine={"key_variable": "EYES_KEY"}).caption(requests()[:1])
    assert answers.keys == ["Bearer very-secret"]
    assert "very-secret" not in str(raised.value)


def test_a_model_that_changes_in_the_middle_ends_the_build():
    with served() as (url, answers):
        captioner = a_captioner(url)
        captioner.caption(requests()[:1])
        answers.next = [(200, {}, answer("a dog", f"{MODEL}@main"))]
        with pytest.raises(ServerError, match=f"changed its model from {MODEL} to {MODEL}@main; serve {MODEL} again"):
            captioner.caption(requests()[:1])


def test_another_model_than_was_asked_for_is_refused():
    with served() as (url, answers):
        answers.next = [(200, {}, answer("a dog", "org/other"))]
        with pytest.raises(ServerError, match=f"was asked for {MODEL} and answered by org/other; fix model"):
            a_captioner(url).caption(requests()[:1])


def test_another_revision_than_the_config_says_is_refused():
    with served() as (url, answers):
        answers.listed = {"data": [{"id": MODEL, "revision": "f00d"}]}
        with pytest.raises(ServerError, match="of revision f00d, and the config says ''; set revision to 'f00d'"):
            a_captioner(url).caption(requests()[:1])
        assert a_captioner(url, revision="f00d").caption(requests()[:1]) == ["a picture of (255, 0, 0)"]


def test_neither_the_place_nor_the_machine_is_in_the_instrument():
    plain = a_captioner("http://a/v1").instrument
    assert a_captioner("http://b/v1", machine={"concurrency": 2}).instrument == plain
    for change in ({"model": "x"}, {"revision": "1"}, {"prompt": "x"}, {"temperature": 1.0}, {"seed": 1}):
        assert a_captioner("http://a/v1", **change).instrument != plain


def test_a_transparent_picture_is_sent_on_white():
    clear, white = Image.new("RGBA", (9, 9), (0, 0, 0, 0)), requests(("white",))
    buffer = BytesIO()
    clear.save(buffer, "PNG")
    with served() as (url, _):
        request = white[0].__class__(sha256="clear", image=buffer.getvalue())
        assert a_captioner(url).caption([request]) == a_captioner(url).caption(white)


@contextmanager
def transformers_serve(folder: Path, log: Path) -> Iterator[str]:
    """Run `transformers serve` of a model; it is ready when it answers."""
    port = free_port()
    program = "from transformers.cli.transformers import main; main()"
    command = [sys.executable, "-c", program, "serve", str(folder), "--port", str(port), "--device", "cpu"]
    with log.open("w") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        try:
            for _ in range(1200):
                try:
                    if httpx.get(f"http://localhost:{port}/health").is_success:
                        break
                except httpx.HTTPError:
                    assert process.poll() is None, log.read_text()
                time.sleep(0.1)
            yield f"http://localhost:{port}/v1"
        finally:
            process.terminate()


@pytest.mark.slow
@pytest.mark.skipif(
    not all(map(find_spec, ("fastapi", "uvicorn", "openai"))), reason="needs transformers[serving], which dev brings"
)
def test_a_server_captions_as_the_same_weights_do_in_process(tmp_path):
    folder = save_tiny_llava(tmp_path / "llava")
    settings = {"model": str(folder), "prompt": "a photo of", "max_new_tokens": 8}
    here = make_captioner(TransformersConfig(captioner="transformers", machine={"device": "cpu"}, **settings))
    with transformers_serve(folder, tmp_path / "log") as url:
        there = a_captioner(url, **settings).caption(requests())
    assert there == here.caption(requests())
    assert len(set(there)) > 1
