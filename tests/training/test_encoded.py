"""Encoded shards as they are written, and blocks of them as they are read."""

import numpy as np
import pytest
import torch

from byline.catalog.corpora.facts import FactTable, Key
from byline.catalog.digests import sha256_hex
from byline.catalog.disk.storage import Store
from byline.training.encoded import Texts, _choose
from byline.training.encoded_shards import make_texts
from byline.training.encoding import TEXT
from byline.training.feed import Group
from byline.training.feed_files import open_arrays, write_arrays

CPU = torch.device("cpu")
LENGTHS = {"a cat": 3, "a dog": 2, "two birds": 4, "a tree": 1}


@pytest.fixture
def facts(tmp_path):
    """Return the token vectors of captions of different length, in two segments."""
    table = FactTable(store=Store(str(tmp_path)), measure="text", instrument="made", schema=TEXT, key=Key.CAPTION)
    rows = [
        {"caption_sha256": sha256_hex(text.encode()), "num_tokens": length, "tokens": vectors(text).tobytes()}
        for text, length in LENGTHS.items()
    ]
    table.append("pack", rows[:2])
    table.append("pack", rows[2:])
    return table


def vectors(text):
    first = 10 * list(LENGTHS).index(text)
    return np.arange(first, first + 2 * LENGTHS[text], dtype="<f2").reshape(-1, 2)


def arrays_of(facts, captions, folder):
    write_arrays(folder, lambda new: make_texts(facts, "pack", captions, new))
    return open_arrays(folder)


def told(arrays, rows, uniform):
    """Return the token vectors of the captions that are chosen."""
    group = Group(arrays=arrays, rows=np.array(rows), samples=np.arange(len(rows)))
    starts, lengths = _choose(group, np.array(uniform, np.float32))
    return [arrays["tokens"][start : start + length].tolist() for start, length in zip(starts, lengths, strict=True)]


def test_each_sample_has_its_caption(facts, tmp_path):
    captions = ["two birds", "a cat", "a dog", "a cat"]
    arrays = arrays_of(facts, [{caption: 1.0} for caption in captions], tmp_path / "arrays")
    assert told(arrays, range(4), [0.0, 0.5, 0.999, 0.1]) == [vectors(caption).tolist() for caption in captions]


def test_a_caption_that_many_samples_have_is_kept_once(facts, tmp_path):
    arrays = arrays_of(facts, [{"a cat": 1.0}] * 1000, tmp_path / "arrays")
    assert arrays["tokens"].shape == (3, 2)


def test_of_several_captions_each_comes_by_its_weight(facts, tmp_path):
    several = {"a cat": 1.0, "a dog": 2.0, "a tree": 1.0}
    arrays = arrays_of(facts, [{"two birds": 1.0}, several, {"two birds": 1.0}], tmp_path / "arrays")
    uniform = (np.arange(1000) + 0.5) / 1000
    found = [len(tokens) for tokens in told(arrays, [1] * 1000, uniform)]
    assert [found.count(LENGTHS[caption]) for caption in several] == [250, 500, 250]
    assert told(arrays, [0, 2], [0.9999999, 0.0]) == [vectors("two birds").tolist()] * 2


def test_texts_are_padded_with_zeros_to_few_lengths():
    tokens = np.arange(1, 31, dtype=np.float16)[:, None]
    tokens[-1] = 0
    texts = Texts(tokens=tokens, starts=np.array([4, 0, 10]), lengths=np.array([3, 1, 9]))
    text_BLD = texts.padded(slice(0, 2), 77, CPU)
    assert text_BLD[..., 0].tolist() == [[5, 6, 7, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0]]
    assert [texts.padded(slice(1, 3), most, CPU).shape[1] for most in (77, 10)] == [16, 10]
