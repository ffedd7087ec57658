"""Encoded shards: latents and token vectors as arrays to map, made of the facts of a shard's samples.

latents        (N, views, parts, C, H, W) float16: as it is and mirrored; mean and spread, as far as the run needs them;
               with buckets (N, views, parts, F): C H W numbers, then zeros;
               without an autoencoder (N, 1, 1, 3, H, W) uint8: pixels
shapes         (N, 2) int32: heights and widths of latents, with buckets only
tokens         (T, D) float16: the vectors of each distinct caption, end to end
token_ends     (captions) where they end
caption_of     (choices) for each sample after the other, its captions
caption_ends   (choices) the running sum of their weights, which are 1 for each sample
"""

# Shapes: N samples, C latent channels, H and W latent height and width, T tokens, D width of a token.

from collections.abc import Iterator, Mapping, Sequence
from math import prod

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.corpora.facts import FactTable
from byline.catalog.corpora.manifest import Release, Shard
from byline.catalog.digests import sha256_hex
from byline.catalog.errors import CorpusError
from byline.training.decoded import decode
from byline.training.feed_files import NewArrays
from byline.training.order import Ints
from byline.training.samples import read_names, read_samples

Halves = npt.NDArray[np.float16]


def make_encoded(
    release: Release,
    shard: Shard,
    latents: FactTable,
    text: FactTable,
    parts: list[list[str]],
    new: NewArrays,
    *,
    flat: int | None = None,
) -> None:
    """Make the arrays of a shard. `parts` are the columns of latents: of each view, its parts.

    Where pictures have several shapes, `flat` is how many numbers the largest latents have.
    """
    names = read_names(release, shard)
    if flat is None:
        make_latents(latents, shard.pack, names.sha256s, parts, new)
    else:
        make_flat_latents(latents, shard.pack, names.sha256s, parts, new, flat)
    make_texts(text, shard.pack, names.weighted, new)


def make_pixels(release: Release, shard: Shard, text: FactTable, side_px: int, new: NewArrays) -> None:
    """Make the arrays of a shard for a model of pixels."""
    samples = read_samples(release, shard)
    pixels = new.new("latents", (len(samples.pictures), 1, 1, 3, side_px, side_px), np.uint8)
    for row, picture in enumerate(decode(samples.pictures, (side_px, side_px))):
        pixels[row, 0, 0] = picture
    make_texts(text, shard.pack, samples.weighted, new)


def make_latents(facts: FactTable, pack: str, sha256s: Sequence[str], parts: list[list[str]], new: NewArrays) -> None:
    """Write the latents of these images."""
    array, keys, lacking = None, pa.array(sha256s, pa.string()), len(sha256s)
    for batch in _batches(facts, pack, ["shape", *(column for view in parts for column in view)]):
        rows = pc.index_in(keys, value_set=batch[facts.key])
        here = np.flatnonzero(rows.is_valid())
        if not len(here):
            continue
        shape = batch["shape"][0].as_py()
        if array is None:
            array = new.new("latents", (len(sha256s), len(parts), len(parts[0]), *shape), np.float16)
        taken = rows.drop_null().to_numpy()
        for view, columns in enumerate(parts):
            for part, column in enumerate(columns):
                array[here, view, part] = _halves(batch[column]).reshape(-1, *shape)[taken]
        lacking -= len(here)
    _require_all(lacking, facts, pack)


def make_flat_latents(
    facts: FactTable, pack: str, sha256s: Sequence[str], parts: list[list[str]], new: NewArrays, flat: int
) -> None:
    """Write the latents of these images, which have several shapes, in rows of one length, and their shapes."""
    array = new.new("latents", (len(sha256s), len(parts), len(parts[0]), flat), np.float16)
    shapes = new.new("shapes", (len(sha256s), 2), np.int32)
    keys, lacking = pa.array(sha256s, pa.string()), len(sha256s)
    for batch in _batches(facts, pack, ["shape", *(column for view in parts for column in view)]):
        rows = pc.index_in(keys, value_set=batch[facts.key])
        here, taken = np.flatnonzero(rows.is_valid()), rows.drop_null().to_numpy()
        kinds = np.array(batch["shape"].to_pylist(), np.int64)[taken].reshape(-1, 3)
        for kind in np.unique(kinds, axis=0):
            is_alike = (kinds == kind).all(axis=1)
            alike, size, rows_alike = here[is_alike], prod(kind.tolist()), pa.array(taken[is_alike])
            shapes[alike] = kind[1:]
            for view, columns in enumerate(parts):
                for part, column in enumerate(columns):
                    array[alike, view, part, :size] = _halves(batch[column].take(rows_alike)).reshape(-1, size)
        lacking -= len(here)
    _require_all(lacking, facts, pack)


def make_texts(facts: FactTable, pack: str, captions: Sequence[Mapping[str, float]], new: NewArrays) -> None:
    """Write the tokens of each distinct caption, and which captions each sample has. Captions have weights."""
    keys = {caption: sha256_hex(caption.encode()) for of_sample in captions for caption in of_sample}
    distinct = sorted(set(keys.values()))
    lengths, lacking, width = np.zeros(len(distinct), np.int64), len(distinct), 1
    for rows, here, batch in _captions(facts, pack, distinct, ["num_tokens"]):
        lengths[here] = batch["num_tokens"].to_numpy()[rows]
        lacking -= len(here)
    _require_all(lacking, facts, pack)
    ends, array = np.cumsum(lengths), None
    for rows, here, batch in _captions(facts, pack, distinct, ["num_tokens", "tokens"]):
        sizes = batch["num_tokens"].to_numpy().astype(np.int64)
        width = len(_halves(batch["tokens"])) // int(sizes.sum())
        if array is None:
            array = new.new("tokens", (int(ends[-1]), width), np.float16)
        tokens_TD = _halves(batch["tokens"]).reshape(-1, width)
        array[spread(ends[here] - lengths[here], lengths[here])] = tokens_TD[
            spread((np.cumsum(sizes) - sizes)[rows], sizes[rows])
        ]
    new.new("token_ends", ends.shape, np.int64)[:] = ends
    numbers = {key: number for number, key in enumerate(distinct)}
    make_choices(captions, {caption: numbers[key] for caption, key in keys.items()}, new)


def make_choices(captions: Sequence[Mapping[str, float]], numbers: Mapping[str, int], new: NewArrays) -> None:
    """Write which captions each sample has, by their numbers, and how often each is to be drawn."""
    chosen = [numbers[caption] for of_sample in captions for caption in of_sample]
    new.new("caption_of", (len(chosen),), np.int32)[:] = chosen
    sums = [np.cumsum(list(of_sample.values())) for of_sample in captions]
    shares = [sample + running / running[-1] for sample, running in enumerate(sums)]
    new.new("caption_ends", (len(chosen),), np.float64)[:] = np.concatenate(shares)


def spread(starts: Ints, lengths: Ints) -> Ints:
    """Return the indices `[start, start + length)` of each, end to end.

    >>> spread(np.array([7, 2]), np.array([2, 3])).tolist()
    [7, 8, 2, 3, 4]
    """
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))


def _captions(
    facts: FactTable, pack: str, keys: list[str], columns: list[str]
) -> Iterator[tuple[Ints, Ints, pa.RecordBatch]]:
    """Yield which rows of a part of the facts are of which captions, and the part."""
    wanted = pa.array(keys, pa.string())
    for batch in _batches(facts, pack, columns):
        rows = pc.index_in(wanted, value_set=batch[facts.key])
        here = np.flatnonzero(rows.is_valid())
        if len(here):
            yield rows.drop_null().to_numpy().astype(np.int64), here, batch


def _batches(facts: FactTable, pack: str, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield the facts of a pack, never more than a segment in memory."""
    for segment in range(facts.num_segments(pack)):
        yield from facts.read(pack, columns, first=segment, last=segment + 1).to_batches()


def _halves(column: pa.BinaryArray) -> Halves:
    """Return the values of a column of bytes, end to end, without copying them."""
    _, offsets, values = column.buffers()
    borders = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
    return np.frombuffer(values, "<f2", count=int(borders[-1] - borders[0]) // 2, offset=int(borders[0]))


def _require_all(lacking: int, facts: FactTable, pack: str) -> None:
    if lacking:
        raise CorpusError(
            f"{facts.store.url(facts.folder)} lacks {lacking} of the samples of {pack}; run byline train again, "
            "which measures them"
        )
