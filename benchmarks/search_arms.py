"""Ways to find all near pairs of codes, ours and those of peers, with one signature.

An arm is given codes, all different, a radius, and how many of them to search for. It returns the pairs that it found
(their smaller and larger place, in any order, repeated or not), and the seconds that a search for all takes: those of
building what is searched, and those of searching for the few, times their share. Exhaustive searches, and searches by
tree or table, take as long for each code.
"""

import importlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from byline.dedup.band_search import bits_set
from byline.dedup.neighbors import near_pairs

Codes = NDArray[np.uint8]
Pairs = NDArray[np.int64]
Search = Callable[[Codes, int, int], tuple[Pairs, float]]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way, and of how many codes it is asked for the neighbors; of all, when 0."""

    name: str
    search: Search
    num_queries: int = 0
    package: str = ""
    """To import; without it the arm is left out."""
    install: str = ""
    is_slow: bool = False
    """Measured in one round only."""

    def is_there(self) -> bool:
        """Return whether the package is installed; say how to install it when it is not."""
        if not self.package or find_spec(self.package):
            return True
        print(f"{self.name} is left out; to have it: pip install {self.install}")
        return False


def ours(codes: Codes, radius: int, _: int) -> tuple[Pairs, float]:
    """All pairs at once, by `dedup.neighbors`."""
    start = time.perf_counter()
    pairs = near_pairs(codes, radius_bits=radius)
    seconds = time.perf_counter() - start
    return np.stack([pairs["i"], pairs["j"]], 1).astype(np.int64), seconds


@njit(cache=True, nogil=True)
def _compare_all(words, radius, pairs):  # type: ignore[no-untyped-def]
    num = 0
    for row in range(words.shape[0]):
        for other in range(row + 1, words.shape[0]):
            distance = 0
            for word in range(words.shape[1]):
                distance += bits_set(words[row, word] ^ words[other, word])
            if distance <= radius:
                if num < pairs.shape[0]:
                    pairs[num, 0], pairs[num, 1] = row, other
                num += 1
    return num


def exhaustive(codes: Codes, radius: int, _: int) -> tuple[Pairs, float]:
    """Compare every pair once, compiled, in one thread."""
    words = np.ascontiguousarray(codes).view(np.uint64)
    start = time.perf_counter()
    pairs = np.empty((1 << 22, 2), np.int64)
    num = _compare_all(words, radius, pairs)
    assert num <= len(pairs), f"{num:,} pairs; these codes are too much alike"
    return pairs[:num], time.perf_counter() - start


def numpy_exhaustive(codes: Codes, radius: int, num_queries: int) -> tuple[Pairs, float]:
    """Compare rows with all rows, on words of 64 bits. Half of the time: each pair has to be compared but once."""
    words, pairs = np.ascontiguousarray(codes).view(np.uint64), []
    start = time.perf_counter()
    for row in range(0, num_queries, 100):
        block = words[row : min(row + 100, num_queries)]
        distance = np.bitwise_count(block[:, None] ^ words[None]).sum(2, dtype=np.uint16)
        pairs.append(np.argwhere(distance <= radius) + np.array([row, 0]))
    return np.concatenate(pairs), (time.perf_counter() - start) * len(codes) / num_queries / 2


def faiss_flat(codes: Codes, radius: int, num_queries: int) -> tuple[Pairs, float]:
    """faiss's exhaustive search of binary codes, on all cores."""
    return _of_faiss(lambda faiss, bits: faiss.IndexBinaryFlat(bits), codes, radius, num_queries)


def faiss_multi_hash(codes: Codes, radius: int, num_queries: int) -> tuple[Pairs, float]:
    """faiss's multi-index hashing, one bit probed: 8 or 16 tables, so that within the radius nothing is missed."""

    def build(faiss: Any, bits: int) -> Any:
        tables = 8 if bits == 64 else 16
        index = faiss.IndexBinaryMultiHash(bits, tables, bits // tables)
        index.nflip = 1
        return index

    return _of_faiss(build, codes, radius, num_queries)


def _of_faiss(build: Callable[[Any, int], Any], codes: Codes, radius: int, num_queries: int) -> tuple[Pairs, float]:
    faiss = importlib.import_module("faiss")
    start = time.perf_counter()
    index = build(faiss, 8 * codes.shape[1])
    index.add(codes)
    built = time.perf_counter()
    limits, _, others = index.range_search(codes[:num_queries], radius + 1)
    searched = time.perf_counter()
    rows = np.repeat(np.arange(num_queries), np.diff(limits.astype(np.int64)))
    return np.stack([rows, others], 1), built - start + (searched - built) * len(codes) / num_queries


def pdq_index(codes: Codes, radius: int, num_queries: int) -> tuple[Pairs, float]:
    """The index for PDQ codes that ThreatExchange ships: faiss's multi-index hashing, given and giving text."""
    matcher = importlib.import_module("threatexchange.signal_type.pdq.pdq_faiss_matcher")
    texts = [code.tobytes().hex() for code in codes]
    start = time.perf_counter()
    index = matcher.PDQMultiHashIndex()
    index.add(texts, range(len(texts)))
    built = time.perf_counter()
    matches = index.search_with_distance_in_result(texts[:num_queries], radius)
    searched = time.perf_counter()
    pairs = [(row, match[0]) for row, text in enumerate(texts[:num_queries]) for match in matches.get(text, ())]
    return np.array(pairs, np.int64), built - start + (searched - built) * len(codes) / num_queries


def bk_tree(codes: Codes, radius: int, num_queries: int) -> tuple[Pairs, float]:
    """pybktree, its distance the bits of two Python integers."""
    library = importlib.import_module("pybktree")
    numbers = [int.from_bytes(code.tobytes(), "big") for code in codes]
    index_of = {number: index for index, number in enumerate(numbers)}
    start = time.perf_counter()
    tree = library.BKTree(lambda code, other: (code ^ other).bit_count(), numbers)
    built = time.perf_counter()
    results = [tree.find(number, radius) for number in numbers[:num_queries]]
    searched = time.perf_counter()
    pairs = [(row, index_of[number]) for row, matches in enumerate(results) for _, number in matches]
    return np.array(pairs, np.int64), built - start + (searched - built) * len(codes) / num_queries


def imagededup_search(codes: Codes, radius: int, num_queries: int) -> tuple[Pairs, float]:
    """What `imagededup`'s `find_duplicates` does with hashes: its compiled exhaustive search, in a process per core."""
    retrieval = importlib.import_module("imagededup.handlers.search.retrieval")
    hashing = importlib.import_module("imagededup.methods").PHash
    hashes = {str(index): code.tobytes().hex() for index, code in enumerate(codes)}
    asked = {str(index): hashes[str(index)] for index in range(num_queries)}
    start = time.perf_counter()
    results = retrieval.HashEval(
        test=hashes, queries=asked, distance_function=hashing.hamming_distance, verbose=False, threshold=radius
    ).retrieve_results(scores=False)
    seconds = (time.perf_counter() - start) * len(codes) / num_queries
    return np.array([(int(row), int(other)) for row, others in results.items() for other in others], np.int64), seconds


OURS = Arm(name="dedup.neighbors", search=ours)
EXHAUSTIVE = Arm(name="exhaustive, compiled, one thread", search=exhaustive, is_slow=True)
"""Also what the others are checked against."""
PEERS: dict[int, Sequence[Arm]] = {
    64: [
        Arm(name="exhaustive, numpy", search=numpy_exhaustive, num_queries=500),
        Arm(name="faiss IndexBinaryFlat", search=faiss_flat, num_queries=10_000, package="faiss", install="faiss-cpu"),
        Arm(
            name="faiss IndexBinaryMultiHash",
            search=faiss_multi_hash,
            num_queries=500,
            package="faiss",
            install="faiss-cpu",
        ),
        Arm(name="pybktree", search=bk_tree, num_queries=50, package="pybktree", install="pybktree", is_slow=True),
        Arm(
            name="imagededup",
            search=imagededup_search,
            num_queries=400,
            package="imagededup",
            install="imagededup",
            is_slow=True,
        ),
    ],
    256: [
        Arm(name="exhaustive, numpy", search=numpy_exhaustive, num_queries=200),
        Arm(name="faiss IndexBinaryFlat", search=faiss_flat, num_queries=2000, package="faiss", install="faiss-cpu"),
        Arm(
            name="faiss IndexBinaryMultiHash",
            search=faiss_multi_hash,
            num_queries=5000,
            package="faiss",
            install="faiss-cpu",
        ),
        Arm(
            name="PDQ's, of threatexchange",
            search=pdq_index,
            num_queries=5000,
            package="threatexchange",
            install="threatexchange",
        ),
        Arm(name="pybktree", search=bk_tree, num_queries=50, package="pybktree", install="pybktree", is_slow=True),
    ],
}
