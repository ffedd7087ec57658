"""The search of many codes for a few, compiled: the pairs of one of the many and one of the few that are met.

The few are listed by key (`dedup.band_ring`). The many are taken in blocks, in the order of their keys but for the last
bits, so that the lists they look at stay in a processor's cache. Runs without Python's lock.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from byline.catalog.compiling import compiled
from byline.dedup.band_ring import first_band_of, neighbor_of
from byline.dedup.band_search import bits_set, meeting

COMPARED_AT_ONCE = 32
"""Rests of a list. As many may be read beyond the end of the last one."""
SHARE_BITS = 6
"""Upper bits of a key, by which the many are put in order."""


@intrinsic
def _close_to(typing: Any, rests: Any, first: Any, rest: Any, limit: Any) -> Any:
    """Return one bit for each of `COMPARED_AT_ONCE` rests, from the first on: whether it is close to `rest`.

    By hand, because the compiler makes no use of a processor's vectors in a loop that is so short.
    """
    signature = types.uint64(types.Array(types.uint32, 1, "C"), types.uint64, types.uint32, types.uint32)

    def build(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(ir.IntType(32), COMPARED_AT_ONCE)

        def repeated(value: Any) -> Any:
            first_lane = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.IntType(32)(0))
            return builder.shuffle_vector(first_lane, ir.Constant(vector, ir.Undefined), ir.Constant(vector, None))

        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        several = builder.bitcast(builder.gep(data, [arguments[1]]), vector.as_pointer())
        differing = builder.xor(builder.load(several, align=4), repeated(arguments[2]))
        name = f"llvm.ctpop.v{COMPARED_AT_ONCE}i32"
        count = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector]), name)
        close = builder.icmp_unsigned("<=", builder.call(count, [differing]), repeated(arguments[3]))
        return builder.zext(builder.bitcast(close, ir.IntType(COMPARED_AT_ONCE)), ir.IntType(64))

    return signature, build


@compiled(nogil=True)
def by_share(keys_N, rests_N, width, ordered):
    """Write codes in the order of the upper bits of their keys, and return where those of each share start.

    A code is one word: rest, row, and the lower bits of the key. They have room for 4 million rows.
    """
    low, starts = np.uint64(width - SHARE_BITS), np.zeros((1 << SHARE_BITS) + 1, np.int64)
    for key in keys_N:
        starts[(np.uint64(key) >> low) + np.uint64(1)] += 1
    starts = np.cumsum(starts)
    ends = starts.copy()
    for row in range(np.uint64(len(keys_N))):
        key = np.uint64(keys_N[row])
        share = key >> low
        ordered[ends[share]] = np.uint64(rests_N[row]) << np.uint64(32) | row << low | key ^ share << low
        ends[share] += 1
    return starts


@compiled(nogil=True)
def _row_at(position, key, rows, starts):
    """Return the row whose rest is at this position of the list of a key."""
    neighbor = 0
    while True:
        neighbor_key = neighbor_of(key, neighbor)
        num = np.uint64(starts[neighbor_key + np.uint64(1)] - starts[neighbor_key])
        if position < num:
            return rows[np.uint64(starts[neighbor_key]) + position]
        position, neighbor = position - num, neighbor + 1


@compiled(nogil=True)
def _is_told(many, row, few, other, band, search):
    """Return whether a pair is met, and a candidate in no band before."""
    ring, limits, pieces, _ = search
    differing = np.zeros((1, 4), np.uint64)
    for word in range(many.shape[1]):
        differing[0, word] = many[row, word] ^ few[other, word]
    return first_band_of(differing, ring, limits) == band and meeting(differing, pieces)[0] >= 0


@compiled(nogil=True)
def _passing(ordered, first, last, share, low, list_starts, rests, limit, passing):
    """Write down the indices of codes with a close rest in their list, and return how many.

    It calls nothing and does not branch on what is close, so that several lists are on their way from memory at once.
    """
    num, lowest = np.uint64(0), (np.uint64(1) << low) - np.uint64(1)
    for index in range(np.uint64(first), np.uint64(last)):
        key, rest = ordered[index] & lowest | share << low, np.uint32(ordered[index] >> np.uint64(32))
        entry, stop, close = np.uint64(list_starts[key]), np.uint64(list_starts[key + np.uint64(1)]), np.uint64(0)
        while entry < stop:
            close |= _close_to(rests, entry, rest, limit)
            entry += np.uint64(COMPARED_AT_ONCE)
        passing[num] = index
        num += np.uint64(close != 0)
    return num


@compiled(nogil=True)
def probe(words, start, ordered, share_starts, lists, where, search, pairs, num):
    """Write into `pairs` (room, 3), from `num` on, the pairs that are candidates first in a band.

    `words` are those of the many and of the few; `ordered` are the many from row `start` on, as `by_share` returns
    them; `where` is the band and the width of its key; `search` the ring, the limits in it, the bands of `meeting`, and
    the radius. A pair is row of the many, row of the few, distance. Returns how many there are by now: when that is
    more than there is room, those beyond were not written.
    """
    (many, few), (rows, starts, list_starts, rests), (band, width) = words, lists, where
    limit, radius, low = np.uint32(search[1][1]), search[3], np.uint64(width - SHARE_BITS)
    passing = np.empty(np.diff(share_starts).max() + 1, np.uint32)
    for share in range(np.uint64(1 << SHARE_BITS)):
        first, last = share_starts[share], share_starts[share + np.uint64(1)]
        num_passing = _passing(ordered, first, last, share, low, list_starts, rests, limit, passing)
        for index in passing[:num_passing]:
            packed = ordered[index]
            key, rest = packed & (np.uint64(1) << low) - np.uint64(1) | share << low, np.uint32(packed >> np.uint64(32))
            row = start + np.int64((packed & np.uint64(0xFFFFFFFF)) >> low)
            own = np.uint64(list_starts[key]) + np.uint64(starts[key + np.uint64(1)] - starts[key])
            for entry in range(np.uint64(list_starts[key]), np.uint64(list_starts[key + np.uint64(1)])):
                if bits_set(np.uint64(rests[entry] ^ rest)) + (entry >= own) > limit:  # one more for a key changed
                    continue
                other, distance = _row_at(entry - np.uint64(list_starts[key]), key, rows, starts), 0
                for word in range(many.shape[1]):
                    distance += bits_set(many[row, word] ^ few[other, word])
                if distance <= radius and _is_told(many, row, few, other, band, search):
                    if num < pairs.shape[0]:
                        pairs[num, 0], pairs[num, 1], pairs[num, 2] = row, other, distance
                    num += 1
    return num
