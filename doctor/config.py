"""What `byline doctor CONFIG` looks at: whether a build or a run of this config would find what it needs."""

import os
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from byline.catalog.configs.extras import needs
from byline.catalog.configs.loading import load_config, read_toml
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.catalog.errors import BylineError
from byline.catalog.text import one_line
from byline.catalog.threads import num_cores
from byline.doctor.machine import Line, disk_line, writes_line

if TYPE_CHECKING:
    from byline.catalog.corpora.manifest import Release
    from byline.catalog.policies.policy import Policy
    from byline.pipelines.corpora.config import CorpusConfig
    from byline.training.config import DiffusionRun
from byline.pipelines.sources.config import SourceConfig

WITHIN_S = 5.0
"""What does not answer for so long is told to be out of reach."""
MOST_SKEW_S = 300
"""Object stores refuse requests of clocks a quarter of an hour off."""
PROBE = ".byline-doctor"


def config_lines(path: str) -> Iterator[Line]:
    """Yield a line for each thing that a config needs."""
    try:
        is_training = "kind" in read_toml(path)
    except BylineError as error:
        yield Line("mend", "config", str(error))
        return
    yield from _training(path) if is_training else _corpus(path)


def _corpus(path: str) -> Iterator[Line]:
    from byline.pipelines.corpora.config import CorpusConfig, load_policy

    try:
        config = load_config(path, CorpusConfig)
    except BylineError as error:
        yield Line("mend", "config", str(error))
        return
    yield Line("ok", "config", path)
    yield from _store(Store(config.root))
    for source in config.sources:
        yield _tried(f"source {source.name}", partial(_read, source))
    policy = _tried("policy", partial(_policy, config))
    yield policy
    if policy.state == "ok":
        rules = load_policy(config.policy, [source.name for source in config.sources])
        yield _tried("its extras", partial(_installed, config, rules))
    for prefix, folder in config.serve.items():
        if not Path(folder).is_dir():
            yield Line("mend", "serve", f"no folder at {folder} for {prefix}")
    for root in config.denylists:
        yield _tried("denylist", partial(_there, root))


def _policy(config: "CorpusConfig") -> str:
    from byline.pipelines.corpora.config import load_policy

    load_policy(config.policy, [source.name for source in config.sources])
    return config.policy


def _installed(config: "CorpusConfig", policy: "Policy") -> str:
    from byline.pipelines.corpora.config import check_installed

    check_installed(config, policy)
    return "installed"


def _read(source: "SourceConfig") -> str:
    from byline.catalog.disk.far import far_file, is_far
    from byline.pipelines.sources.readers.files import files_of

    files = files_of(source.path, source=source.name)
    for file in files[: 1 if is_far(source.path) else 100]:
        folder, name = far_file(file) if is_far(file) else (None, file)
        with open(name, "rb") if folder is None else folder.open(name) as opened:
            opened.read(1)
    return f"{files[0]}{f' and {len(files) - 1:,} more' if len(files) > 1 else ''}"


def _there(root: str) -> str:
    if not Store(root).exists(layout.CORPUS_FILE):
        raise BylineError(f"no corpus at {root}")
    return root


def _tried(about: str, action: Callable[[], str]) -> Line:
    try:
        return Line("ok", about, action())
    except BylineError as error:
        return Line("mend", about, str(error))
    except OSError as error:
        return Line("mend", about, f"cannot read {error.filename}: {error.strerror}")


def _training(path: str) -> Iterator[Line]:
    from byline.catalog.corpora.manifest import Release

    try:
        with needs("train", "byline train"):
            from byline.training.config import load_train_config
        config = load_train_config(path)
    except BylineError as error:
        yield Line("mend", "config", str(error))
        return
    yield Line("ok", "config", path)
    yield _tried("release", lambda: f"{config.release} ({_num_train(Release(config.release)):,} samples)")
    if "://" in config.run:
        yield from _store(Store(config.run))
    else:
        yield writes_line("run", Path(config.run))
        yield disk_line(Path(config.run))
    if config.kind == "diffusion":
        yield from _models(config)
    ranks = config.machine.num_ranks
    if ranks > num_cores():
        yield Line("mend", "ranks", f"machine.num_ranks is {ranks}, and there are {num_cores()} cores: lower it")
    else:
        yield Line("ok", "ranks", f"{ranks} on {num_cores()} cores")


def _num_train(release: "Release") -> int:
    return sum(shard.num_samples for shard in release.shards("train"))


def _models(config: "DiffusionRun") -> Iterator[Line]:
    """Yield whether the models are there that a diffusion model uses."""
    from byline.diffusion.text_sources import find_text_encoder

    autoencoder = config.autoencoder
    if autoencoder is not None and autoencoder.folder is not None:
        there = autoencoder.folder.is_dir()
        message = str(autoencoder) if there else f"no folder {autoencoder}; name one that holds an AutoencoderKL"
        yield Line("ok" if there else "mend", "autoencoder", message)
    yield _tried("text encoder", lambda: str(find_text_encoder(config.text_encoder).model))


def _store(store: Store) -> Iterator[Line]:
    """Yield whether a corpus or a run can be read and written, by writing and deleting a small file."""
    try:
        is_local = store.is_local
    except BylineError as error:
        yield Line("mend", "store", str(error))
        return
    if is_local:
        yield writes_line("store", store.local_path(""))
        yield disk_line(store.local_path(""))
        return
    yield _within("store", lambda: _write_and_remove(store))
    if (endpoint := _endpoint(store)) is not None:
        yield _within("store clock", lambda: _skew(endpoint))


def _write_and_remove(store: Store) -> Line:
    path = f"{PROBE}-{os.getpid()}"
    store.write_bytes(path, b"byline")
    store.remove(path)
    return Line("ok", "store", f"{store.root} can be read and written to")


def _within(about: str, look: Callable[[], Line]) -> Line:
    """Return what a look gives, or that it took too long: clients of object stores try again for minutes."""
    lines: list[Line] = []

    def run() -> None:
        try:
            lines.append(look())
        except Exception as error:  # whatever a client library raises is told, and ends nothing
            lines.append(Line("mend", about, one_line(str(error))[:300]))

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(WITHIN_S)
    return lines[0] if lines else Line("mend", about, f"no answer within {WITHIN_S:.0f} s: check address and network")


def _endpoint(store: Store) -> str | None:
    """Return the address of an S3 store; none for another kind."""
    if not store.root.startswith(("s3://", "s3a://")):
        return None
    filesystem: Any = store._located[0]
    url = getattr(filesystem, "endpoint_url", None) or (getattr(filesystem, "client_kwargs", None) or {}).get(
        "endpoint_url"
    )
    variables = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    named = next((os.environ[name] for name in variables if os.environ.get(name)), None)
    return url or named or "https://s3.amazonaws.com"


def _skew(endpoint: str) -> Line:
    """Compare this machine's clock with the `Date` of a server."""
    try:
        with urlopen(Request(endpoint, method="HEAD"), timeout=WITHIN_S) as answer:
            date = answer.headers["Date"]
    except HTTPError as error:
        date = error.headers["Date"]
    if not date:
        return Line("-", "store clock", f"{endpoint} does not tell the time")
    ahead_s = time.time() - parsedate_to_datetime(date).timestamp()
    message = f"this machine is {abs(ahead_s):,.0f} s {'ahead of' if ahead_s > 0 else 'behind'} {endpoint}"
    if abs(ahead_s) > MOST_SKEW_S:
        return Line("mend", "store clock", f"{message}: set the clock, its requests are refused")
    return Line("ok", "store clock", message)
