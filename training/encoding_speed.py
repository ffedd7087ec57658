"""Keep in a corpus how fast a run encoded its pictures, for plans."""

import json
from contextlib import suppress

import torch

from byline.catalog.corpora.builds import EncodingSpeed, keep_encoding_speed
from byline.catalog.corpora.facts import FactTable
from byline.catalog.disk import layout
from byline.catalog.errors import StorageError
from byline.training.ranks import Ranks


def keep_speed(latents: FactTable, ranks: Ranks, number: int, took_s: tuple[float, float]) -> None:
    """Keep how many pictures all ranks encoded, and how long that took of processors and by the clock.

    Every rank calls it. A corpus that cannot be written to, or an export, keeps nothing.
    """
    counted = [number, *(round(1000 * seconds) for seconds in took_s)] if number else [0, 0, 0]
    of_ranks = [json.loads(answer) for answer in ranks.gather(json.dumps(counted).encode())]
    if not (pictures := sum(counts[0] for counts in of_ranks)):
        return
    processor_ms, clock_ms = (sum(counts[index] for counts in of_ranks) for index in (1, 2))
    device = "cpu" if ranks.device.type == "cpu" else torch.cuda.get_device_name(ranks.device)
    speed = EncodingSpeed(pictures=pictures, device=device, processor_ms=processor_ms, clock_ms=clock_ms)
    with suppress(StorageError):
        if latents.store.exists(layout.CORPUS_FILE):
            keep_encoding_speed(latents.store, latents.instrument, speed)
