"""What ranks read: the same whatever their number, from files that are made once and stay few."""

from contextlib import closing

import numpy as np
import pytest
import torch

from byline.catalog.corpora.manifest import Release
from byline.catalog.disk.storage import Store
from byline.catalog.errors import ConfigError, CorpusError, StorageError
from byline.diffusion.configs import TextEncoderConfig
from byline.diffusion.text import TextEncoder
from byline.training.autoencoder_task import AutoencoderTask
from byline.training.diffusion_task import DiffusionTask
from byline.training.feed_cache import FeedCache
from byline.training.ranks import Ranks, join
from byline.training.samples import read_samples, shards_of
from tests.training.builders import a_diffusion_run, a_release, an_autoencoder, an_autoencoder_run

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("feed")
    a_release(folder / "corpus", packs=5, train=7)
    an_autoencoder(folder / "vae")
    return folder


def a_task(folder, name="run", **overrides):
    settings = {"batch_size": 8, "images": 80, "streams": 4, "shuffle_samples": 3, **overrides}
    machine = {"log_every_images": 8, "save_every_images": 8, **settings.pop("machine", {})}
    url, run = settings.pop("release", f"{folder}/corpus/releases/tiny"), folder / name
    config = a_diffusion_run(url, run, str(folder / "vae"), machine=machine, **settings)
    return DiffusionTask(config, Release(url), join())


def rows_of(task, ranks, *, images_seen=0, steps=12, passes=1):
    """Return, for each step, what the rank's samples are, one row a sample, padded texts to equal width."""
    rows = []
    with closing(task.batches(ranks, images_seen, passes)) as batches:
        for _ in range(steps):
            rows.append([row for inputs in next(batches) for row in zip(*map(as_rows, inputs), strict=True)])
    return rows


def as_rows(tensor):
    return [row.numpy().tobytes() for row in tensor]


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 4])
def test_any_number_of_ranks_reads_the_same_batches(folder, size):
    task = a_task(folder)
    alone = rows_of(task, Ranks(rank=0, size=1, device=CPU))
    shared = [rows_of(task, Ranks(rank=rank, size=size, device=CPU), passes=2 // (size // 2)) for rank in range(size)]
    for step, whole in enumerate(alone):
        assert sorted(row for rank in shared for row in rank[step]) == sorted(whole)


def test_a_run_goes_on_where_it_was_with_other_ranks(folder):
    task = a_task(folder)
    whole = rows_of(task, Ranks(rank=0, size=1, device=CPU))
    later = [rows_of(task, Ranks(rank=rank, size=2, device=CPU), images_seen=40, steps=7) for rank in (0, 1)]
    for step in range(7):
        assert sorted(later[0][step] + later[1][step]) == sorted(whole[5 + step])


def test_what_is_read_is_what_the_order_says(folder):
    task, release = a_task(folder), Release(f"{folder}/corpus/releases/tiny")
    shards, rows = task._order.batch(16, 8)
    samples = [read_samples(release, shard) for shard in shards_of(release, "train")]
    expected = [samples[shard].sha256s[row] for shard, row in zip(shards, rows, strict=True)]
    assert task.images_of(range(16, 24)) == expected


def test_ranks_that_do_not_divide_the_streams_are_refused(folder):
    with pytest.raises(ConfigError, match="streams = 4 must be a multiple of the 3 ranks"):
        a_task(folder).batches(Ranks(rank=0, size=3, device=CPU), 0, 1)


def test_files_that_are_damaged_are_made_again(folder):
    task = a_task(folder, "damaged")
    before = rows_of(task, Ranks(rank=0, size=1, device=CPU))
    for path in (folder / "damaged/feed").glob("*/latents.npy"):
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    assert rows_of(task, Ranks(rank=0, size=1, device=CPU)) == before


def test_nothing_is_made_that_is_there(folder):
    task = a_task(folder, "kept")
    rows_of(task, Ranks(rank=0, size=1, device=CPU))
    before = {path: path.stat().st_mtime_ns for path in (folder / "kept/feed").glob("*/*")}
    rows_of(task, Ranks(rank=0, size=1, device=CPU))
    assert {path: path.stat().st_mtime_ns for path in (folder / "kept/feed").glob("*/*")} == before


def test_a_cache_that_holds_less_than_the_release_gives_the_same(folder):
    ranks = Ranks(rank=0, size=1, device=CPU)
    settings = {"shuffle_samples": 2, "streams": 1, "batch_size": 2}
    whole = rows_of(a_task(folder, "roomy", **settings), ranks, steps=40)
    sizes = [sum(file.stat().st_size for file in path.iterdir()) for path in (folder / "roomy/feed").iterdir()]
    assert len(sizes) == 5
    small = a_task(folder, "small", **settings, machine={"cache_gb": 3.5 * max(sizes) / 1e9})
    assert rows_of(small, ranks, steps=40) == whole
    assert len(list((folder / "small/feed").iterdir())) <= 3


def test_a_cache_that_is_too_small_for_its_windows_is_one_line(folder):
    task = a_task(folder, "tiny", machine={"cache_gb": 1e-5})
    with pytest.raises(
        ConfigError, match=r"machine.cache_gb = 1e-05 does not hold the \d shards that are mixed at one"
    ):
        rows_of(task, Ranks(rank=0, size=1, device=CPU))


def test_facts_that_go_away_are_an_error_where_they_are_needed(folder, tmp_path):
    a_release(tmp_path / "corpus")
    an_autoencoder(tmp_path / "vae")
    task = a_task(tmp_path)
    for path in (tmp_path / "corpus/facts/latents").glob("*/*.parquet"):
        path.unlink()
    with pytest.raises(CorpusError, match="lacks 6 of the samples"):
        rows_of(task, Ranks(rank=0, size=1, device=CPU))


def test_mirrored_latents_come_as_often_as_asked(folder):
    ranks = Ranks(rank=0, size=1, device=CPU)
    plain = rows_of(a_task(folder, "f0"), ranks)
    always = rows_of(a_task(folder, "f1", flip_prob=1.0), ranks)
    half = rows_of(a_task(folder, "f2", flip_prob=0.5), ranks)
    latents = [[row[0] for step in run for row in step] for run in (plain, always, half)]
    assert not set(latents[0]) & set(latents[1])
    from_plain = sum(one == other for one, other in zip(latents[0], latents[2], strict=True))
    from_mirrored = sum(one == other for one, other in zip(latents[1], latents[2], strict=True))
    assert from_plain + from_mirrored == len(latents[2]) == 96
    assert 30 < from_mirrored < 66


def test_sampled_latents_differ_between_epochs(folder):
    ranks = Ranks(rank=0, size=1, device=CPU)
    settings = {
        "shuffle_samples": 99,
        "streams": 1,
        "batch_size": 35,
        "images": 70,
        "machine": {"log_every_images": 35, "save_every_images": 35},
    }
    moded, sampled = (
        [{row[0] for row in step} for step in rows_of(a_task(folder, name, **settings, **chosen), ranks, steps=2)]
        for name, chosen in (("moded", {}), ("sampled", {"sample_latents": True}))
    )
    assert moded[0] == moded[1]
    assert not sampled[0] & sampled[1]


def test_pictures_are_read_as_they_were_decoded(folder):
    url = f"{folder}/corpus/releases/tiny"
    machine = {"log_every_images": 35, "save_every_images": 35}
    settings = {"batch_size": 35, "images": 35, "streams": 5, "shuffle_samples": 3}
    config = an_autoencoder_run(url, folder / "pixels", machine=machine, **settings)
    task = AutoencoderTask(config, Release(url), join())
    with closing(task.batches(Ranks(rank=0, size=1, device=CPU), 0, 1)) as batches:
        seen = next(batches)[0][0].numpy()
    pixels_NCHW = task._first_pictures()
    pictures = {picture.tobytes() for picture in (*pixels_NCHW, *np.ascontiguousarray(pixels_NCHW[..., ::-1]))}
    assert {picture.tobytes() for picture in seen} <= pictures
    assert len({picture.tobytes() for picture in seen}) == 35


def test_a_caption_that_is_dropped_is_the_text_of_nothing(folder):
    ranks = Ranks(rank=0, size=1, device=CPU)
    with closing(a_task(folder, "dropped", caption_drop_prob=1.0).batches(ranks, 0, 1)) as batches:
        *_, text_BLD = next(batches)[0]
    (none_LD,) = TextEncoder(TextEncoderConfig()).encode([""])
    assert torch.equal(text_BLD, none_LD.half().expand_as(text_BLD))


@pytest.mark.slow
def test_a_corpus_in_a_bucket_is_read_through_files_of_this_machine(folder, tmp_path, bucket):
    ranks = Ranks(rank=0, size=1, device=CPU)
    local = rows_of(a_task(folder, "local"), ranks)
    there = Store(f"{bucket}/corpus")
    for path in (folder / "corpus").rglob("*"):
        if path.is_file():
            there.write_bytes(path.relative_to(folder / "corpus").as_posix(), path.read_bytes())
    url = f"{bucket}/corpus/releases/tiny"
    task = a_task(folder, "remote", release=url, machine={"cache": str(tmp_path / "cache")})
    assert rows_of(task, ranks) == local
    assert len(list((tmp_path / "cache").iterdir())) == 5
    assert not (folder / "remote").exists()


def test_two_caches_of_one_folder_do_not_meet(tmp_path):
    def make(shard, new):
        new.new("rows", (2000, 100), np.int64)[:] = shard

    caches = [
        FeedCache(tmp_path, max_bytes=1e9, names=[f"shard-{number}" for number in range(9)], make=make)
        for _ in range(2)
    ]
    with closing(caches[0]) as one, closing(caches[1]) as two:
        for cache in (one, two):
            cache.prepare(range(9), [])
        for shard in range(9):
            assert (one.arrays(shard)["rows"] == shard).all()
            assert (two.arrays(shard)["rows"] == shard).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"shard-{number}" for number in range(9)]


def test_a_disk_without_room_is_one_line(tmp_path):
    def make(shard, new):
        new.new("rows", (2**45,), np.int64)

    with closing(FeedCache(tmp_path, max_bytes=1e9, names=["shard"], make=make)) as cache:
        cache.prepare([0], [])
        with pytest.raises(
            StorageError, match=r"cannot write .*/shard: .*; free some of the disk, lower machine.cache_gb"
        ):
            cache.arrays(0)
    assert list(tmp_path.iterdir()) == []
