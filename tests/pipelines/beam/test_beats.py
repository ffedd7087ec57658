"""What workers tell through the store, and what the driver makes of it."""

import json

from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.catalog.progress import WORK
from byline.pipelines.beam.beats import TellingMeter, count_done, stop_telling
from byline.pipelines.beam.listening import listening
from byline.pipelines.beam.worker_answer import own_name

RUN = f"{layout.BEATS}/run"
STAGES = ["fetch", "measure"]


def _counts(folder):
    """Return what the progress bars are drawn from."""
    counts = {}
    for line in "".join(path.read_text() for path in folder.glob("*.log")).splitlines():
        number, _, stage = line.partition(" ")
        counts[stage] = counts.get(stage, 0) + int(number)
    return counts


def test_what_workers_count_is_drawn_here_and_nothing_is_left_of_it(tmp_path):
    progress, store = tmp_path / "progress", Store(str(tmp_path / "corpus"))
    progress.mkdir()
    with listening(store, RUN, progress, STAGES) as listener:
        listener.num_records = 20
        meter = TellingMeter(store=store, run=RUN)
        with meter.pack("fetch", 20) as count:
            count(17)
            count_done("requested", 17)
        stop_telling(RUN)
    assert _counts(progress) == {"fetch": 20, f"{WORK}fetch": 1}
    assert listener.counted == {"requested": 17}
    assert store.folders(layout.BEATS) == [] or store.files(RUN) == []


def test_bars_of_a_build_that_failed_stay_where_they_were(tmp_path):
    progress, store = tmp_path / "progress", Store(str(tmp_path / "corpus"))
    progress.mkdir()
    try:
        with listening(store, RUN, progress, STAGES) as listener:
            listener.num_records = 20
            meter = TellingMeter(store=store, run=RUN)
            meter.work("fetch")
            meter.add("fetch", 5)
            raise KeyError
    except KeyError:
        assert _counts(progress)["fetch"] == 5


def test_a_worker_tells_what_it_is_at(tmp_path):
    store = Store(str(tmp_path))
    meter = TellingMeter(store=store, run=RUN)
    with meter.at_work("judge"):
        stop_telling(RUN)
    assert json.loads(store.read_bytes(f"{RUN}/{own_name()}.json"))["at"] == ["judge"]
