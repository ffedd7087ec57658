"""What `byline doctor` looks at on this machine, without loading what it looks at."""

import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from byline.catalog.configs.extras import DISTRIBUTION, extras
from byline.catalog.text import one_line
from byline.catalog.threads import num_cores

LEAST_FREE_BYTES = 1 << 30
"""Free space below which a warning is due: a build would soon stop."""


@dataclass(frozen=True)
class Line:
    """One thing that was looked at: fine, not there and not needed, or wrong with what to do."""

    state: Literal["ok", "-", "mend"]
    about: str
    message: str


def machine_lines() -> Iterator[Line]:
    """Yield a line for each thing that needs no config."""
    yield from _versions()
    for extra in extras():
        yield _extra(extra)
    yield _cores()
    yield _gpu()
    yield clock_line()
    yield from _extensions()


def _versions() -> Iterator[Line]:
    try:
        byline_distribution = distribution(DISTRIBUTION)
    except PackageNotFoundError:
        yield Line("mend", DISTRIBUTION, f"is not installed: pip install {DISTRIBUTION}")
        return
    python = ".".join(map(str, sys.version_info[:3]))
    wanted = byline_distribution.metadata["Requires-Python"] or ""
    if SpecifierSet(wanted).contains(python):
        yield Line("ok", "python", python)
    else:
        yield Line("mend", "python", f"{python}, and byline needs {wanted}: make an environment with one of those")
    yield Line("ok", DISTRIBUTION, byline_distribution.version)
    wrong = _wrong(_requirements(byline_distribution, extra=""))
    again = f"pip install --force-reinstall '{DISTRIBUTION}'"
    yield Line("mend", "libraries", f"{'; '.join(wrong)}: {again}") if wrong else Line("ok", "libraries", "all there")


def _requirements(distribution: Distribution, *, extra: str) -> list[Requirement]:
    """Return what is always needed, or with an extra what that adds."""
    listed = [Requirement(text) for text in distribution.requires or ()]
    always = [
        requirement
        for requirement in listed
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    ]
    if not extra:
        return always
    return [
        requirement
        for requirement in listed
        if requirement not in always and requirement.marker and requirement.marker.evaluate({"extra": extra})
    ]


def _wrong(requirements: list[Requirement]) -> list[str]:
    """Say what is missing, too old or too new, or in pieces."""
    return [problem for requirement in requirements if (problem := _problem_of(requirement)) is not None]


def _problem_of(requirement: Requirement) -> str | None:
    try:
        installed = distribution(requirement.name)
    except PackageNotFoundError:
        return f"no {requirement.name}"
    except Exception as error:  # whatever is wrong with somebody else's files is told, and ends nothing
        return f"{requirement.name} is damaged ({one_line(str(error))[:80]})"
    version = installed.version or ""
    if not requirement.specifier.contains(version, prereleases=True):
        return f"{requirement.name} {version} is not {requirement.specifier}"
    gone = [name for name in _imported_as(installed) if not _is_there(name)]
    return f"{requirement.name} is in pieces, without {gone[0]}" if gone else None


def _imported_as(distribution: Distribution) -> list[str]:
    """Return the packages of a distribution that its metadata names, if it names any."""
    names = (distribution.read_text("top_level.txt") or "").split()
    return [name for name in names[:1] if name.isidentifier() and not name.startswith("_")]


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _extra(name: str) -> Line:
    brings = ", ".join(dict.fromkeys(extras()[name]))
    try:
        wrong = _wrong(_requirements(distribution(DISTRIBUTION), extra=name))
    except Exception as error:  # damaged metadata, in whatever way, is one line, and ends no other
        return Line("mend", f"[{name}]", f"cannot be told: {one_line(str(error))[:80]}")
    if not wrong:
        return Line("ok", f"[{name}]", brings)
    install = f"pip install '{DISTRIBUTION}[{name}]'"
    is_only_missing = all(problem.startswith("no ") for problem in wrong)
    return Line("-" if is_only_missing else "mend", f"[{name}]", f"{'; '.join(wrong)}; if you need it: {install}")


def _cores() -> Line:
    cores = num_cores()
    return Line("ok", "cores", f"{cores}: byline build --workers {cores}; num_ranks = {cores} to train on them")


def _gpu() -> Line:
    try:
        build = distribution("torch")
        text = Path(str(build.locate_file("torch/version.py"))).read_text()
    except (PackageNotFoundError, OSError):
        return Line("-", "gpu", "not looked for, torch is not installed")
    match = re.search(r"^cuda\b[^=]*=\s*'([^']+)'", text, re.MULTILINE)
    devices = sorted(Path("/dev").glob("nvidia[0-9]*"))
    if not devices:
        return Line("-", "gpu", f"none; torch {build.version} trains on cores")
    if match is None:
        return Line("mend", "gpu", f"{len(devices)}, and torch {build.version} is a build without CUDA: install one")
    return Line("ok", "gpu", f"{len(devices)}, torch {build.version} with CUDA {match[1]}")


def clock_line(now_s: float | None = None) -> Line:
    """Say whether the clock can be right: it is not before the time at which byline itself was written."""
    now_s = time.time() if now_s is None else now_s
    written_s = Path(__file__).stat().st_mtime
    message = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now_s))
    if now_s + 60 < written_s:
        return Line("mend", "clock", f"{message} is before byline was installed: set the clock, certificates need it")
    return Line("ok", "clock", message)


def disk_line(folder: Path) -> Line:
    """Say how much is free where a folder is, or will be."""
    there = nearest(folder)
    free = shutil.disk_usage(there).free
    message = f"{free / 1e9:,.1f} GB free at {there}"
    return Line("ok", "disk", message) if free >= LEAST_FREE_BYTES else Line("mend", "disk", f"{message}: make room")


def nearest(folder: Path) -> Path:
    """Return a folder, or where it is not there yet the nearest one above it."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())


def writes_line(about: str, folder: Path) -> Line:
    """Say whether a folder can be written to, by writing."""
    there = nearest(folder)
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"byline")
    except OSError as error:
        return Line("mend", about, f"cannot write to {there} ({error.strerror}): allow it, or name another root")
    return Line("ok", about, f"{folder} can be written to")


def _extensions() -> Iterator[Line]:
    """Yield a line for each entry point of a group of ours: what other packages add, and whether it can be used."""
    if not any(group.startswith(f"{DISTRIBUTION}.") for group in entry_points().groups):
        return
    from byline.pipelines.corpora.extensions import found_extensions  # a second, which few need wait for

    for ext in found_extensions():
        about, origin = (
            f"{ext.group.removeprefix(f'{DISTRIBUTION}.')} {ext.name}",
            f"of {ext.distribution} {ext.version}",
        )
        if ext.problem is None:
            yield Line("ok", about, origin)
        else:
            yield Line("mend", about, f"{origin}: {one_line(ext.problem)}; mend or remove it")
