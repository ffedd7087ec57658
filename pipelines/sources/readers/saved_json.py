"""Saved answers of a web API: `.json` with one answer or a list of them, or `.jsonl` with one a line; plain or packed.

A line of `byline harvest` also says what was asked and when, and has the digest of the answer's own bytes, which is
checked. One answer is held in memory at a time.
"""

import codecs
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from byline.catalog.corpora.records import Evidence, UnreadableRow
from byline.catalog.digests import canonical_json, sha256_hex
from byline.catalog.errors import SourceError
from byline.catalog.text import one_line
from byline.pipelines.sources.readers.files import MAX_LINE_BYTES, lines_of, metadata_of, opened
from byline.pipelines.sources.readers.rows import in_file

SUFFIXES = tuple(f"{name}{packed}" for name in (".json", ".jsonl") for packed in ("", ".gz", ".bz2"))
MAX_ANSWER_CHARACTERS = 1 << 24
"""Longest answer: the end of a longer one, or of one that is no JSON, is not looked for."""
BLOCK_BYTES = 1 << 16
HARVESTED = frozenset({"request", "retrieved_at", "sha256", "pictures", "body"})
"""Keys of a line that `byline harvest` wrote. `body` is the answer, as text: its bytes in UTF-8 have that digest."""
REFUSALS = ("error", "errors", "detail")
"""Keys under which APIs say why there is no answer."""
_DECODER = json.JSONDecoder()
_SPACE = " \t\r\n"
_TOO_LONG = "an answer without an end, or a longer one than any API gives"


@dataclass(frozen=True, kw_only=True)
class SavedAnswer:
    """One answer, and what is known of how it came."""

    file: str
    place: str
    answer: dict[str, Any]
    request: str | None = None
    retrieved_at: str | None = None

    def evidence(self, place: str, row: Any, *, retrieved_at: str | None = None) -> Evidence:
        """Return where `row` of the answer was read: the request if it is known, else the file.

        The time is the answer's own, `retrieved_at`, or else that of the harvest.
        """
        saved = f"{self.file} {self.place}" if self.request else self.place
        return Evidence(
            file=self.request or self.file,
            place=f"{saved}, {place}",
            sha256=sha256_hex(canonical_json(row)),
            retrieved_at=retrieved_at or self.retrieved_at,
        )

    def unreadable(self, key: str) -> UnreadableRow:
        """Return the row for an answer without what its reader wants under a key: a refusal, or another API's."""
        refusals = [name for name in REFUSALS if self.answer.get(name)]
        if shown := [*refusals, *[key] * (key in self.answer)]:
            detail = f"it says {shown[0]} = {canonical_json(self.answer[shown[0]]).decode('utf-8', 'replace')}"
        else:
            detail = f"it has {', '.join(sorted(self.answer)) or 'nothing'}"
        return UnreadableRow(place=self.place, problem=one_line(f"an answer without {key}: {detail}")[:200])


def read_answers(path: str) -> Iterator[SavedAnswer | UnreadableRow]:
    """Yield the answers of a file, or of the files of a folder or glob, in order.

    A line that holds none is unreadable. Raises `SourceError` for a file that is missing or holds something else.
    """
    files = metadata_of(path)
    if files != [path]:
        files = [file for file in files if file.lower().endswith(SUFFIXES)]
        if not files:
            raise SourceError(f"no {' or '.join(SUFFIXES)} file in {path}; check `path` in the corpus config")
    for file in files:
        name = file.lower().removesuffix(".gz").removesuffix(".bz2")
        rows = _read_lines(file) if name.endswith(".jsonl") else _read_json(file)
        yield from in_file(rows, file, of=path)


def _read_lines(path: str) -> Iterator[SavedAnswer | UnreadableRow]:
    for number, line in enumerate(lines_of(path), start=1):
        place = f"line {number}"
        if not line.strip():
            continue
        try:
            if len(line) >= MAX_LINE_BYTES:
                raise ValueError(f"longer than {MAX_LINE_BYTES} bytes")
            yield _saved(json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8")), path, place)
        except (ValueError, RecursionError) as error:
            if number == 1:
                raise SourceError(f"{path} is not JSON, one answer a line: {_why(error)}; fetch it again") from error
            yield UnreadableRow(place=place, problem=f"no answer: {_why(error)}"[:200])


def _read_json(path: str) -> Iterator[SavedAnswer | UnreadableRow]:
    number = 0
    try:
        for number, value in enumerate(_values(path), start=1):
            place = f"answer {number}"
            if not isinstance(value, dict):
                raise SourceError(f"{path} holds no API answers; expected an object or a list of objects")
            try:
                saved: SavedAnswer | UnreadableRow = _saved(value, path, place)
            except ValueError as error:
                saved = UnreadableRow(place=place, problem=f"no answer: {_why(error)}"[:200])
            yield saved
    except SourceError:
        raise
    except (ValueError, RecursionError, EOFError, OSError, zlib.error) as error:
        after = f" after answer {number}" if number else ""
        raise SourceError(f"{path} is not JSON{after}: {_why(error)}; fetch it again") from error


def _saved(value: Any, path: str, place: str) -> SavedAnswer:
    """Return an answer, taken out of what `byline harvest` wraps it in. Raises `ValueError` for what is none."""
    if not isinstance(value, dict):
        raise ValueError("expected an object")
    if not (value.keys() >= HARVESTED and isinstance(value["body"], str)):
        return SavedAnswer(file=path, place=place, answer=value)
    if sha256_hex(value["body"].encode(errors="surrogatepass")) != value["sha256"]:
        raise ValueError("the body is not what its sha256 says; the file was changed or damaged")
    answer = json.loads(value["body"])
    if not isinstance(answer, dict):
        raise ValueError("expected an object in its body")
    when, request = value["retrieved_at"], value["request"]
    if not (isinstance(request, str) and isinstance(when, str)):
        raise ValueError("request and retrieved_at are not text")
    return SavedAnswer(file=path, place=place, answer=answer, request=request, retrieved_at=when)


def _why(error: BaseException) -> str:
    return "nested too deep" if isinstance(error, RecursionError) else one_line(str(error).split("\n")[0][:160])


def _values(path: str) -> Iterator[Any]:
    """Yield the elements of a list one after the other, or the one value that the file is."""
    with opened(path) as file:
        text = _Text(codecs.iterdecode(iter(lambda: file.read(BLOCK_BYTES), b""), "utf-8-sig"))
        if text.peek() != "[":
            yield json.loads(text.rest())
            return
        text.take()
        if text.peek() == "]":
            text.take()
        else:
            while True:
                yield text.value()
                separator = text.peek()
                text.take()
                if separator == "]":
                    break
                if separator != ",":
                    raise ValueError(f"expected , or ] between answers, got {separator!r}")
        if text.peek():
            raise ValueError("something comes after the list")


class _Text:
    """Text that is read as it is needed."""

    def __init__(self, blocks: Iterator[str]) -> None:
        self.blocks = blocks
        self.held = ""
        self.at = 0

    def peek(self) -> str:
        """Return the next character that is no space, nothing at the end."""
        while True:
            while self.at < len(self.held) and self.held[self.at] in _SPACE:
                self.at += 1
            if self.at < len(self.held):
                return self.held[self.at]
            if not self._more(1):
                return ""

    def take(self) -> None:
        """Go past the character that `peek` gave."""
        self.at += 1

    def rest(self) -> str:
        """Return all that is left. Raises `ValueError` when it is longer than an answer may be."""
        while self._more(MAX_ANSWER_CHARACTERS):
            if len(self.held) > MAX_ANSWER_CHARACTERS:
                raise ValueError(_TOO_LONG)
        return self.held

    def value(self) -> Any:
        """Return the value that comes next. Raises `ValueError` when it is no JSON or larger than the limit.

        What is held is doubled until the value is whole, so a long one is looked at twice, not once a block.
        """
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self.held, self.at)
            except ValueError:
                held = len(self.held) - self.at
                if held > MAX_ANSWER_CHARACTERS:
                    raise ValueError(_TOO_LONG) from None
                if not self._more(max(held, 1)):
                    raise
            else:
                self.at = end
                return value

    def _more(self, num_characters: int) -> bool:
        """Hold at least that many more; false at the end."""
        blocks = [self.held[self.at :]]
        self.at = 0
        wanted = num_characters
        while wanted > 0 and (block := next(self.blocks, None)) is not None:
            blocks.append(block)
            wanted -= len(block)
        self.held = "".join(blocks)
        return len(blocks) > 1
