"""How the time of a function grows with the length of a text that is made to be slow."""

import time
from collections.abc import Callable
from typing import TypeVar

Text = TypeVar("Text", str, bytes)

SHORT = 12_000
TIMES = 4
"""As long again. What grows with the length takes four times as long, what grows with its square sixteen."""
MOST = 9.0
UNSURE_S = 0.02
"""What a clock and a collection of garbage may add."""

SEEDS = (
    *("<a ", "<!--", "<p>", "a", "\ufdfa", "<", "</", "&", "<p><b>", "<b><p></b>", "1", "a-", "a.", "http://", "://"),
    *("?", "0 ", "_", "<!", "<?", "<![CDATA[", "&#", "&#1", "(", "\u0301", "\u0316\u0301", "<div style='"),
    *('" ', "cc "),
    *("<a x=\"", "<a x='\">", "<a =", "<a hidden", "<script>", "<style></", "</a ", "<p style='a:b;'>", "<!---"),
    *("@", "x@", "[", "1.1,", "by-", "\u200b", " ", "\t", "-", "no ", "no-", "x=", "?a=&", "#", "File:", ".jpg "),
    *("a:b=", "<a\n", "\u0f73", "\uff9e\u0316", "\u1e9e", "\u0344"),
)  # fmt: skip
"""Texts that are slow when they are repeated, each with a reader that it was slow in or might be."""


def grows_linearly(read: Callable[[Text], object], seed: Text, *, short: int = SHORT) -> bool:
    """Tell whether a text of `seed` repeated that is four times as long takes no more than nine times as long.

    The fastest of three runs of each counts, by turns: others on this machine can only make one longer.
    """
    texts = [(seed * (length // len(seed) + 1))[:length] for length in (short, TIMES * short)]
    times = [[_seconds(read, text) for text in texts] for _ in range(3)]
    once, longer = (min(turn[length] for turn in times) for length in (0, 1))
    return longer <= MOST * once + UNSURE_S


def _seconds(read: Callable[[Text], object], text: Text) -> float:
    start = time.process_time()
    read(text)
    return time.process_time() - start
