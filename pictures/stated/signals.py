"""Signals embedded in a picture: XMP and C2PA. Re-encoding strips both, so they are read of the bytes as fetched."""

from collections.abc import Iterable

from byline.catalog.consent import CUT, READERS, Signal
from byline.catalog.consent.embedded import UNREAD
from byline.pictures.stated.manifests import manifest_signals
from byline.pictures.stated.packets import packets_of
from byline.pictures.stated.xmp import PROVENANCE, unparsed_signals, xmp_signals

MAX_SIGNALS = 64
MAX_VALUE_CHARACTERS = 1_000


def embedded_signals(data: bytes) -> tuple[Signal, ...]:
    """Return what JPEG, PNG, WebP, GIF or TIFF bytes say of their use: signals of `catalog.consent`, none twice.

    Never raises, asks the network nothing, and takes bounded memory: what is too large, cannot be read, or lies in a
    file that cannot be walked to its end, is a signal too. A no is looked for even in what cannot be parsed.
    """
    packets = packets_of(data)
    packet_signals = [signal for packet in (*packets.own, *packets.others) for signal in xmp_signals(packet)]
    packet_signals += [signal for packet in packets.unparsed for signal in unparsed_signals(packet)]
    signals = [signal for signal in packet_signals if signal[0] != PROVENANCE]
    is_elsewhere = any(name == PROVENANCE for name, _ in packet_signals)
    signals += manifest_signals(data, is_elsewhere=is_elsewhere)
    return _bounded([*signals, *(() if packets.is_all else [("xmp", UNREAD)])])


def _bounded(signals: Iterable[Signal]) -> tuple[Signal, ...]:
    distinct = sorted(dict.fromkeys(signals), key=_says_no, reverse=True)  # so that no is ever cut off
    kept = distinct[:MAX_SIGNALS]
    is_cut = len(distinct) > len(kept) or any(len(value) > MAX_VALUE_CHARACTERS for _, value in kept)
    return tuple((name, value[:MAX_VALUE_CHARACTERS]) for name, value in kept) + (((CUT, ""),) if is_cut else ())


def _says_no(signal: Signal) -> bool:
    name, value = signal
    return name in READERS and READERS[name](value).state == "opted-out"
