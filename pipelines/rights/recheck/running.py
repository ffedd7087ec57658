"""Run a recheck of a release: lock the corpus, ask as its config says, keep what was found, write the delta."""

import asyncio
import signal
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from byline.catalog.configs.loading import parse_config
from byline.catalog.corpora.corpus import DENYLISTS, owned, read_settings
from byline.catalog.corpora.manifest import Release
from byline.catalog.denylists.denylist import Denylist
from byline.catalog.denylists.lists import load_denylist
from byline.catalog.disk import layout
from byline.catalog.errors import ConfigError, CorpusError
from byline.pipelines.fetching.config import FetchConfig
from byline.pipelines.fetching.serve import serving
from byline.pipelines.fetching.transport import HttpTransport
from byline.pipelines.releases.publishing import Settings
from byline.pipelines.rights.recheck.delta import delta_path, write_delta
from byline.pipelines.rights.recheck.due import Due, find_due
from byline.pipelines.rights.recheck.source_apis import SourceApi, apis_of
from byline.pipelines.rights.recheck.sweep import Budget, Swept, sweep

Count = Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class Rechecked:
    """What a recheck did, and what is known of the release by now."""

    swept: Swept
    num_held: int
    """Pictures that came from this machine's own files, which nobody can be asked for."""
    delta: dict[str, Any]
    path: str
    """Path of the file that holds the delta."""


def recheck(
    release: Release,
    *,
    budget: int,
    older_than: timedelta,
    bases: Mapping[str, str],
    rate_per_s: float | None = None,
    begin: Callable[[int], Count] = lambda total: lambda more: None,
) -> Rechecked:
    """Look at the pictures of a release that were not looked at for `older_than`, by `budget` requests at most.

    Hosts are asked as by the last build of the corpus, or with `rate_per_s` slower, never faster. `bases` are addresses
    of APIs, by source. `begin` is told how many pictures are due, and gives what is told of each that was looked at.
    Killed and run again, it goes on.
    """
    if budget < 1:
        raise ConfigError(f"--budget must be 1 request or more, got {budget}")
    store = release.store
    apis = apis_of(bases, _settings(release).readers)
    with ExitStack() as stack:
        stack.enter_context(owned(store))
        if store.exists(layout.PENDING):
            raise CorpusError(f"in {store.root} a takedown was begun and not completed; run: byline takedown apply")
        settings = read_settings(store)
        last = settings.get("last_build", {})
        denylist = load_denylist(store, settings.get(DENYLISTS, {}).get(release.name, ()))
        mirrors = {prefix: stack.enter_context(serving(folder)) for prefix, folder in last.get("serve", {}).items()}
        config = parse_config(last.get("fetch", {}), FetchConfig, where=store.url(layout.CORPUS_FILE))
        slower = min((rate for rate in (rate_per_s, config.rate_per_s) if rate is not None), default=None)
        config = config.model_copy(update={"mirrors": {**config.mirrors, **mirrors}, "rate_per_s": slower})
        due = find_due(release, checked_before=datetime.now(UTC) - older_than)
        swept = asyncio.run(_sweep(due, config, budget, apis, begin(min(len(due), budget)), denylist))
        return Rechecked(swept=swept, num_held=due.num_held, delta=write_delta(release), path=delta_path(release))


async def _sweep(
    due: Due, config: FetchConfig, limit: int, apis: Mapping[str, SourceApi], count: Count, denylist: Denylist
) -> Swept:
    this_task = asyncio.current_task()
    assert this_task is not None
    with suppress(NotImplementedError, ValueError):  # not everywhere, and in the main thread only
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this_task.cancel)
    async with AsyncExitStack() as stack:
        budget = Budget(limit=limit)
        transport = HttpTransport(config, may_ask=budget.is_left, denies=denylist.denies_url)
        pictures = await stack.enter_async_context(transport)
        api = HttpTransport(config, reads_robots=False, may_ask=budget.is_left)
        of_apis = await stack.enter_async_context(api) if apis else pictures
        budget.transports = (pictures, of_apis) if apis else (pictures,)
        return await sweep(due, pictures, budget, apis=apis, api_transport=of_apis, count=count)


def _settings(release: Release) -> Settings:
    return Settings.model_validate_json(release.store.read_bytes(f"{release.path}/{layout.SETTINGS_FILE}"))
