"""The words of captions, and how far two captions have the same ones."""

import re
from collections import Counter

_WORD = re.compile(r"[^\W\d_]+")


def words_of(text: str) -> list[str]:
    """Return the words of a text, in lower case: no punctuation, no numbers; what has an apostrophe is one word."""
    return _WORD.findall(re.sub(r"['’]", "", text.lower()))


def word_f1(caption: str, reference: str) -> float:
    """Return the F1 of the words of a caption, each as often as it stands there; 0 for an empty one."""
    have, want = Counter(words_of(caption)), Counter(words_of(reference))
    common = (have & want).total()
    return 2 * common / (have.total() + want.total()) if common else 0.0
