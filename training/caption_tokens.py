"""A tokenizer made of a release's own captions: byte-level BPE in lower case. Equal captions give equal bytes."""

from collections.abc import Iterable
from functools import partial
from itertools import chain

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from byline.catalog.corpora.manifest import Release
from byline.catalog.digests import sha256_hex
from byline.diffusion.clip import END, START
from byline.training.samples import read_names, shards_of

MARKS = ("<pad>", "<end>", "<start>")
"""Their places are their numbers: `diffusion.clip.PAD`, `END` and `START`."""
TWICE = 2
"""What was written once only is not learned, and gets no token of its own."""


def captions_of(release: Release) -> Iterable[str]:
    """Yield each caption of each training sample, shard by shard, in key order."""
    names = map(partial(read_names, release), shards_of(release, "train"))
    return chain.from_iterable(chain.from_iterable(of_shard.weighted) for of_shard in names)


def make_tokens(captions: Iterable[str], vocab_size: int) -> str:
    """Return a tokenizer of at most so many tokens, as the JSON that `tokenizers` reads.

    The order of the captions does not matter. Any text can be read: bytes are tokens.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=TWICE,
        special_tokens=list(MARKS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(captions, trainer)
    marks = [(MARKS[START], START), (MARKS[END], END)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{MARKS[START]} $A {MARKS[END]}", special_tokens=marks
    )
    return str(tokenizer.to_str())


def tokenizer_of(tokens: str, max_tokens: int) -> PreTrainedTokenizerFast:
    """Return the tokenizer as transformers uses it, new: using one changes what it saves."""
    pad, end, start = MARKS
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(tokens),
        pad_token=pad,
        eos_token=end,
        bos_token=start,
        model_max_length=max_tokens,
    )


def digest_of_tokens(tokens: str) -> str:
    """Return the SHA-256 of a tokenizer, which is part of what a text encoder is."""
    return sha256_hex(tokens.encode())
