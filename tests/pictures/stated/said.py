"""What the pictures of these tests say, and how it is read."""

import io

import numpy as np
from PIL import Image

from byline.catalog.consent import consent_evidence, read_consent
from byline.pictures.stated import embedded_signals
from tests.speaking_pictures import (
    training_mining,
)

PROHIBITED = "http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED"
SAID = (("xmp:plus:DataMining", PROHIBITED),)
NO_TRAINING = training_mining("cawg.training-mining", ai_training="notAllowed")


def a_photograph() -> bytes:
    """Return a JPEG of about 267 kB that says nothing."""
    noise = np.random.default_rng(0).integers(0, 256, (660, 850, 3), dtype=np.uint8)
    sink = io.BytesIO()
    Image.fromarray(noise).save(sink, "JPEG", quality=60)
    return sink.getvalue()


def reading_of(data: bytes):
    return read_consent(consent_evidence(embedded_signals(data)))
