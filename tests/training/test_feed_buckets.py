"""What ranks read where pictures have several shapes: passes of one shape, cropped and never stretched."""

from collections import Counter
from contextlib import closing
from io import BytesIO

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from byline.catalog.corpora.manifest import Release
from byline.catalog.errors import ConfigError, CorpusError
from byline.diffusion.autoencoder import encode, load_autoencoder, normalize
from byline.diffusion.pixels import shaped, to_network
from byline.training.diffusion_task import DiffusionTask
from byline.training.ranks import Ranks, join
from byline.training.samples import order_of, read_names, read_samples, read_sizes, shards_of
from tests.training.builders import a_diffusion_run, a_release, an_autoencoder

SIZES = ((40, 40), (60, 40), (40, 70), (41, 40), (90, 30))
"""Widths and heights of the pictures."""
CPU = torch.device("cpu")
ALONE = Ranks(rank=0, size=1, device=CPU)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("buckets")
    a_release(folder / "corpus", packs=4, train=13, sizes=SIZES)
    an_autoencoder(folder / "vae")
    return folder


def a_config(folder, name="run", **overrides):
    settings = {
        "batch_size": 16,
        "images": 160,
        "streams": 4,
        "shuffle_samples": 11,
        "buckets": {"step_px": 4, "max_aspect": 2.0},
        "machine": {"log_every_images": 16, "save_every_images": 16},
        **overrides,
    }
    return a_diffusion_run(f"{folder}/corpus/releases/tiny", folder / name, str(folder / "vae"), **settings)


def a_task(folder, name="run", **overrides):
    config = a_config(folder, name, **overrides)
    return DiffusionTask(config, Release(config.release), join())


def steps_of(task, ranks, *, images_seen=0, steps=10, passes=1):
    with closing(task.batches(ranks, images_seen, passes)) as batches:
        return [next(batches) for _ in range(steps)]


def rows_of(step):
    """Return what each sample of a step is; texts differ in padding only."""
    return sorted(
        (tuple(x0.shape), x0.numpy().tobytes(), noise.numpy().tobytes(), int(t), text.any(-1).sum().item())
        for inputs in step
        for x0, noise, t, text in zip(*inputs, strict=True)
    )


def test_any_number_of_ranks_reads_the_same_batches(folder):
    task = a_task(folder)
    alone = steps_of(task, ALONE)
    for size in (2, 4):
        shared = [steps_of(task, Ranks(rank=rank, size=size, device=CPU), passes=2) for rank in range(size)]
        for step, whole in enumerate(alone):
            assert sorted(row for rank in shared for row in rows_of(rank[step])) == rows_of(whole)


def test_a_run_goes_on_where_it_was(folder):
    task = a_task(folder)
    whole, later = steps_of(task, ALONE), steps_of(task, ALONE, images_seen=48, steps=7)
    for one, other in zip(whole[3:], later, strict=True):
        assert all(
            torch.equal(a, b)
            for inputs, others in zip(one, other, strict=True)
            for a, b in zip(inputs, others, strict=True)
        )


def test_every_pass_has_one_shape_and_no_more_than_its_size(folder):
    for step in steps_of(a_task(folder), ALONE, passes=4):
        assert sum(len(inputs[0]) for inputs in step) == 16
        assert all(len(inputs[0]) <= 4 for inputs in step)
        assert all(len({len(tensor) for tensor in inputs}) == 1 for inputs in step)


def test_samples_have_the_shape_that_is_nearest_to_their_picture(folder):
    task = a_task(folder)
    sizes = {
        sha256: Image.open(BytesIO(picture)).size
        for shard in shards_of(task._release, "train")
        for samples in [read_samples(task._release, shard)]
        for sha256, picture in zip(samples.sha256s, samples.pictures, strict=True)
    }
    nearest = {(40, 40): (8, 8), (41, 40): (8, 8), (60, 40): (6, 10), (90, 30): (6, 10), (40, 70): (10, 6)}
    for number, step in enumerate(steps_of(task, ALONE)):
        seen = Counter(tuple(x0.shape[1:]) for inputs in step for x0 in inputs[0])
        names = task.images_of(range(16 * number, 16 * (number + 1)))
        assert seen == Counter(nearest[sizes[sha256]] for sha256 in names)


def test_latents_are_those_of_the_cropped_picture(folder):
    task, vae = a_task(folder), load_autoencoder(str(folder / "vae"))
    pictures = [
        picture
        for shard in shards_of(task._release, "train")
        for picture in read_samples(task._release, shard).pictures
    ]
    for inputs in steps_of(task, ALONE, steps=1)[0]:
        shape_px = tuple(2 * side for side in inputs[0].shape[2:])
        pixels_NCHW = torch.from_numpy(np.stack([shaped(picture, shape_px) for picture in pictures]))
        known = normalize(vae, encode(vae, to_network(pixels_NCHW), "fp32"))
        for x0_CHW in inputs[0]:
            assert min(float((x0_CHW - one).abs().max()) for one in known) < 2e-3


def test_spread_and_mirrored_latents_have_their_shapes_too(folder):
    plain = steps_of(a_task(folder, "plain", sample_latents=True), ALONE)
    mirrored = steps_of(a_task(folder, "mirrored", sample_latents=True, flip_prob=1.0), ALONE)
    for step, other in zip(plain, mirrored, strict=True):
        for inputs, flipped in zip(step, other, strict=True):
            assert inputs[0].shape == flipped[0].shape
            assert not torch.equal(inputs[0], flipped[0])


def test_without_buckets_pictures_are_squares(folder):
    task = a_task(folder, "square", buckets=None)
    assert {tuple(inputs[0].shape) for step in steps_of(task, ALONE) for inputs in step} == {(16, 4, 8, 8)}


def test_a_phase_of_another_resolution_keeps_the_order(folder):
    config = a_config(folder, phases=[{"from_images": 80, "resolution_px": 32}])
    release = Release(config.release)
    first, second = (
        order_of(release.manifest, config.at(images_seen).identity(), lambda shard: read_sizes(release, shard))
        for images_seen in (0, 80)
    )
    assert [places.tolist() for places in first.batch(0, 160)] == [places.tolist() for places in second.batch(0, 160)]
    assert config.at(80).shapes.shapes_px == tuple((2 * h, 2 * w) for h, w in config.shapes.shapes_px)


def test_sizes_are_read_from_the_table_beside_a_shard(folder, tmp_path):
    release = Release(a_release(tmp_path / "corpus", sizes=SIZES))
    shard = shards_of(release, "train")[0]
    names, sizes = read_names(release, shard), read_sizes(release, shard)
    table = {
        "sha256": names.sha256s[::-1],
        "caption": names.captions[::-1],
        "height": pa.array(sizes[::-1, 0] + 1, pa.int32()),
        "width": pa.array(sizes[::-1, 1], pa.int32()),
    }
    release.store.write_table(release.table_path(shard), pa.table(table))
    assert (read_sizes(release, shard) - sizes == [1, 0]).all()
    release.store.write_table(release.table_path(shard), pa.table({**table, "width": pa.array([None] * 6, pa.int32())}))
    with pytest.raises(CorpusError, match=f"the table of {shard.name} has a picture of no size; delete it and build"):
        read_sizes(release, shard)


def test_steps_that_do_not_fit_the_network_are_one_line(folder):
    said = r"buckets.step_px = 2 must be a multiple of 4, by which the autoencoder \(2\) and the network \(2\) shrink"
    with pytest.raises(ConfigError, match=said):
        a_task(folder, buckets={"step_px": 2})
