"""A picture that was taken down does not come back a little changed, in a corpus whose copy detector is installed."""

import pytest
from PIL import Image, ImageDraw

from byline.catalog.corpora.corpus import owned
from byline.pipelines.beam.build import build
from byline.pipelines.rights.takedown.apply import begin, complete
from byline.pipelines.rights.takedown.selecting import Request, select
from tests.builders import POLICY
from tests.pipelines.beam.test_copies_end_to_end import SAMPLES, a_folder_corpus, cropped, photographs

pytestmark = pytest.mark.beam


def _logo(picture):
    stamped = picture.copy()
    width, height = picture.size
    ImageDraw.Draw(stamped).ellipse((width * 0.8, height * 0.8, width * 0.95, height * 0.95), fill="white")
    return stamped


EDITS = {
    "crop": lambda picture: picture.crop((0, 0, round(picture.width * 0.96), round(picture.height * 0.97))),
    "tilt": lambda picture: picture.rotate(2, Image.Resampling.BICUBIC),
    "logo": _logo,
    "gamma": lambda picture: picture.point(lambda level: round(255 * (level / 255) ** 2.2)),
}


@pytest.mark.slow
@pytest.mark.parametrize("min_cosine", [None, 0.7])
def test_small_edits_are_refused_and_strangers_are_not(tmp_path, min_cosine):
    strangers = photographs()
    pictures = {f"a{number}": picture for number, picture in enumerate(strangers)}
    pictures["crop"] = cropped(strangers[0])
    embedding = f'[embedding]\nmodel = "{SAMPLES}/models/copy-detector"\n'
    policy = POLICY if min_cosine is None else POLICY.replace("radius_bits = 12", "radius_bits = 12\nmin_cosine = 0.7")
    config = a_folder_corpus(tmp_path, pictures, policy, embedding)
    store = build(str(config), workers=1).store
    with owned(store):
        request = Request(records=("own:a0.jpg",))
        selection = select(store, request, {"side_px": 256})
        assert {one.record_id: one.reason.partition(" 0")[0] for one in selection.victims} == {
            "own:a0.jpg": "asked for",
            "own:crop.jpg": "near: cosine",
        }, "a crop is shown before, whether or not the policy compares vectors"
        begin(store, request, selection, lambda manifest, places: [])
        complete(store)
    again = tmp_path / "again"
    a_folder_corpus(again, {name: edit(strangers[0]) for name, edit in EDITS.items()}, policy)
    with config.open("a") as file:
        file.write(f'[[sources]]\nname = "again"\nreader = "folder"\npath = "{again}/pictures"\nnum_packs = 1\n')
    release = build(str(config), workers=1)
    names = [name for name in release.manifest.papers if name.startswith("verdicts/")]
    verdicts = [row for name in names for row in release.store.read_table(f"{release.path}/{name}").to_pylist()]
    refused = {row["record_id"]: row["reasons"] for row in verdicts if not row["admitted"]}
    assert refused.keys() == {f"again:{name}.jpg" for name in EDITS}
    assert all(reasons in (["denied:taken-down"], ["fetch:denied"]) for reasons in refused.values())
