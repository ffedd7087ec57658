"""What a card says of the requirements of a certification: no more than its parts show."""

import pytest

from byline.diffusion.checkpoint import CheckpointInfo
from byline.diffusion.parts import FrozenPart
from byline.exports.requirements import requirements_of

INFO = CheckpointInfo(
    kind="diffusion", images_seen=8, config={}, release_digest="abc", provenance={}, files={}, ancestors=()
)
OURS = FrozenPart(name="vae", trained_on="abc", checkpoint="c" * 64)


@pytest.mark.parametrize(
    ("part", "answer"),
    [
        (OURS, "holds: every part was trained by byline, on the pictures and captions of releases and on nothing else"),
        (FrozenPart(name="vae"), "is not shown: nothing here says what autoencoder vae was trained on"),
        (
            OURS.model_copy(update={"perceptual_model": "e" * 64}),
            "is not shown: nothing here says what the perceptual model of autoencoder vae (weights eeeeeeeeeeeeeeee) "
            "was trained on",
        ),
    ],
)
def test_a_model_is_of_releases_alone_when_all_that_took_part_is(part, answer):
    _, models, *_ = requirements_of(INFO, [("autoencoder", part)], None)
    assert models.holds.startswith(answer)
