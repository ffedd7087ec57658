"""Before a build on other machines: ask every worker what it is and what it reaches, and tell each difference.

A worker that cannot do its part is told of within seconds, and not by a stage that fails in an hour.
"""

import asyncio
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import apache_beam as beam
from packaging.requirements import Requirement

from byline.catalog.corpora.packs import Outcome
from byline.catalog.disk.far import is_far
from byline.catalog.disk.storage import Store
from byline.catalog.errors import BylineError
from byline.catalog.policies.policy import Policy
from byline.pipelines.beam import worker_answer
from byline.pipelines.beam.submitting import Submission
from byline.pipelines.corpora.config import CorpusConfig, check_installed
from byline.pipelines.fetching.coordination.client import coordinated
from byline.pipelines.fetching.coordination.reach import Reach
from byline.pipelines.fetching.held import read_held

ASKED = 32
"""Elements that are spread over the workers: those that are there each get some."""
CLOCK_OFF_S = 60.0
"""Object stores refuse clocks that are a quarter of an hour off, and outcomes have times."""
ANSWER = re.compile(r"BYLINE-ANSWER(\{.*?\})BYLINE-END", re.S)
Answer = dict[str, Any]
NOBODY = (
    "no worker answered in {:.0f} s; see the log of the pool, whose `python` on PATH must have byline, or wait "
    "longer: --workers-within SECONDS"
)


@dataclass(frozen=True)
class Question:
    """What the workers of one build are asked."""

    config: CorpusConfig
    policy: Policy
    run: str
    """The folder of this build's beats in the store."""
    held: Mapping[str, str] = field(default_factory=dict)
    """Source -> the place of one of its pictures, of those that have them in files."""
    coordinator: Reach | None = None
    """Who keeps hosts' limits for them."""

    @property
    def expression(self) -> str:
        """What a worker evaluates, with nothing but Python: so one without byline says that it has none."""
        asked = {
            "run": self.run,
            "root": self.config.store.root,
            "distributions": list(_distributions()),
            "config": self.config.model_dump(mode="json", exclude_none=True),
            "policy": self.policy.model_dump(mode="json", exclude_none=True),
            "held": dict(self.held),
            "coordinator": vars(self.coordinator) if self.coordinator else None,
        }
        text = Path(worker_answer.__file__).read_text()
        return f"(lambda names: (exec({text!r}, names), names['answer']({json.dumps(asked)!r}))[1])({{}})"


def troubles_here(asked: Answer, trouble: Callable[[Callable[[], object]], str | None]) -> list[str]:
    """Return what this process, a worker, lacks for a build: extras, the store, pictures in files. One line each."""
    config = CorpusConfig.model_validate(asked["config"])
    policy = Policy.model_validate(asked["policy"])
    store = Store(asked["root"])
    # A name of its own each time: several threads of a process may be asked at once.
    probe = f"{asked['run']}/probe-{secrets.token_hex(8)}"
    lines = [trouble(lambda: check_installed(config, policy))]
    if line := trouble(lambda: _write_and_read(store, probe)):
        lines.append(f"cannot use the corpus {asked['root']}: {line}")
    for source, held in asked["held"].items():
        if line := trouble(partial(_read_held, held, config.fetch.max_bytes)):
            lines.append(f"cannot read the pictures of source {source}, {where_they_must_be(held)}: {line}")
    if asked["coordinator"] and (line := trouble(partial(_reach_coordinator, **asked["coordinator"]))):
        lines.append(
            f"{line}; name an address of the machine that builds, as workers reach it: --coordinator HOST:PORT"
        )
    return [line for line in lines if line]


def where_they_must_be(held: str) -> str:
    """Return what has to be so that a worker can read a picture of a source that lies in a file."""
    if is_far(held):
        return "which workers ask of the object store, with credentials of their own"
    return "which must lie where workers are too"


def _reach_coordinator(addresses: Sequence[str], secret: str) -> None:
    async def reach_once() -> None:
        async with coordinated(Reach(tuple(addresses), secret)):
            pass

    asyncio.run(reach_once())


def _write_and_read(store: Store, path: str) -> None:
    store.write_bytes(path, b"byline")
    store.read_bytes(path)
    store.remove(path)


def _read_held(held: str, max_bytes: int) -> None:
    answer = read_held(held, max_bytes=max_bytes)
    if answer.outcome is Outcome.UNREACHABLE:
        raise BylineError(answer.message or held)


def ask_workers(question: Question, pipeline: beam.Pipeline, *, within_s: float) -> list[str]:
    """Run a small pipeline on the workers, and return the names of those that answered.

    Raises a `BylineError` with a line for each difference from this process, and when nobody answers in time.
    """
    began = time.time()
    _ = pipeline | beam.Create([question.expression] * ASKED) | beam.Reshuffle() | "Answer" >> beam.Map(eval)
    try:
        Submission(pipeline).wait(lambda: None if time.time() - began < within_s else NOBODY.format(within_s))
        answers = list(_answers(question))
    except RuntimeError as error:
        if not (match := ANSWER.search(_unescaped(str(error)))):
            raise
        answers = [*_answers(question), json.loads(match[1])]
    if not answers:
        root = question.config.store.root
        raise BylineError(
            f"workers wrote into {root} and nothing of it is here: it is a folder of theirs; name a root that "
            "all reach, such as s3://bucket/corpus"
        )
    lines = [
        f"worker {answer['worker']} {line}" for answer in answers for line in differences(answer, began, time.time())
    ]
    if lines:
        raise BylineError("\n".join(dict.fromkeys(lines)))
    return [answer["worker"] for answer in answers]


def differences(answer: Answer, began: float, ended: float) -> Iterator[str]:
    """Yield a line for each thing that makes a worker unfit for a build of this process."""
    here = worker_answer.versions(_distributions())
    for name, version in here.items():
        there = answer["versions"].get(name)
        if name == "python":
            version, there = _minor(version), _minor(there)
        if there is None:
            yield f"has no {name}; install {name}=={version} for {answer['executable']}"
        elif there != version:
            yield f"has {name} {there} and this machine {version}; install one of them on both"
    code, there = worker_answer.code_digest(), answer.get("code")
    if there not in (None, code):
        yield f"has other code of byline ({there}, here {code}); install the same commit"
    if not began - CLOCK_OFF_S < answer["clock"] < ended + CLOCK_OFF_S:
        yield f"has a clock that is {answer['clock'] - ended:+,.0f} s off; set it"
    if answer["versions"].get("byline"):
        yield from answer["troubles"]


def _answers(question: Question) -> Iterator[Answer]:
    store, folder = question.config.store, f"{question.run}-answers"
    for name in store.files(folder, suffix=".json"):
        yield json.loads(store.read_bytes(f"{folder}/{name}"))


def _distributions() -> Sequence[str]:
    needed = (Requirement(requirement) for requirement in requires("byline") or () if "extra ==" not in requirement)
    return ["byline", *sorted({requirement.name for requirement in needed})]


def _minor(version: str | None) -> str | None:
    return version and ".".join(version.split(".")[:2])


def _unescaped(text: str) -> str:
    """Return text as a worker raised it, which some runners pass on inside of other quotes."""
    return text.replace('\\"', '"') if 'BYLINE-ANSWER{\\"' in text else text
