"""Pictures of a release, some of them planted in near copies: a folder with a table of credits, which byline builds."""

import json
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tomli_w
from PIL import Image, ImageEnhance

from byline.audits.memorization import ALPHA, NEIGHBORS
from byline.catalog.corpora.manifest import Release, Shard, Split
from byline.catalog.errors import CorpusError
from byline.dedup.quality import is_flat
from byline.diffusion.pixels import square

Bytes = npt.NDArray[np.uint8]
COPIES = (0, 1, 4, 16, 64)
"""How often pictures are planted. What is planted 0 times is held back: no model sees it."""
LEAST_SCORE = 1.2
"""What a picture that is planted scores at least beside its nearest neighbor in the release; a copy scores under 1."""
BLOCK = 48
"""Pictures whose neighbors are looked for at once."""
POLICY = Path(__file__).parent.parent / "configs/policies/commercial.toml"
EQUAL_PIXELS_ONLY = {"radius_bits": 0, "flat_from": 0.0, "views": []}
"""Rules for duplicates under which near copies stay."""
BEFORE = ("", "a picture of ", "this is ", "image: ", "here you see ", "it shows ", "my favorite, ", "how to draw ")
AFTER = (
    "",
    ", in color",
    " as an image",
    ", on its own",
    ", seen today",
    ", for free use",
    ", nothing else",
    ", small",
)
"""What captions of copies have before and after the words of the picture: 64 ways, the first as they are."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture as a release ships it."""

    sha256: str
    data: bytes
    caption: str
    credit: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Planting:
    """The pictures that a seed chooses."""

    by_copies: dict[int, tuple[Picture, ...]]
    """Number of copies -> the pictures that are planted so often."""
    others: tuple[Picture, ...]
    """Pictures that are trained on once, among which those above are planted."""

    @property
    def planted(self) -> list[tuple[int, Picture]]:
        """All that is planted or held back, with its number of copies."""
        return [(copies, picture) for copies, pictures in self.by_copies.items() for picture in pictures]

    def references(self, side_px: int) -> Bytes:
        """Return every picture once, `(M, C, H, W)`: first those planted or held back, in the order of `planted`."""
        pictures = [*(picture for _, picture in self.planted), *self.others]
        return np.stack([square(picture.data, side_px) for picture in pictures])


def pictures_of(release: Release, split: Split = "train") -> list[Picture]:
    """Return what a release trains on, or holds out, sorted by digest."""
    pictures = []
    for shard in release.shards(split):
        for sample in release.samples(shard):
            facts = json.loads(sample["json"])
            credit = {name: facts[name] for name in ("license", "creator", "landing_url")}
            caption = sample["txt"].decode()
            pictures.append(Picture(sha256=facts["sha256"], data=sample["jpg"], caption=caption, credit=credit))
    return sorted(pictures, key=lambda picture: picture.sha256)


def choose(pictures: Sequence[Picture], *, seed: int, each: int, others: int, side_px: int) -> Planting:
    """Choose by the seed `each` pictures for every number of `COPIES`, and so many others.

    What is planted has a caption and a look of its own: nothing else has its caption, and by the audit of memorization
    its nearest neighbor is far from being a copy (`LEAST_SCORE`). Flat pictures, of which only equal pixels count as
    duplicates, are not planted. Raises `CorpusError` when there are too few pictures.
    """
    shuffled = sorted(pictures, key=lambda picture: _number(f"{seed}:{picture.sha256}"))
    wanted = each * len(COPIES)
    planted = [shuffled[index] for index in _alone(shuffled, wanted, side_px)]
    taken = {picture.sha256 for picture in planted}
    left = [picture for picture in shuffled if picture.sha256 not in taken][:others]
    if len(planted) < wanted or len(left) < others:
        raise CorpusError(
            f"{wanted} pictures of their own caption and look and {others} others are needed, and the release has "
            f"{len(planted)} and {len(left)}; use a larger one, or ask for fewer"
        )
    by_copies = {copies: tuple(planted[start :: len(COPIES)]) for start, copies in enumerate(COPIES)}
    return Planting(by_copies=by_copies, others=tuple(left))


def _alone(pictures: Sequence[Picture], wanted: int, side_px: int) -> list[int]:
    captions = Counter(picture.caption.casefold() for picture in pictures)
    pixels = np.stack([square(picture.data, side_px) for picture in pictures])
    usable = [index for index, picture in enumerate(pictures) if _is_usable(picture, captions)]
    alone: list[int] = []
    for start in range(0, len(usable), BLOCK):
        block = usable[start : start + BLOCK]
        alone += [index for index, score in zip(block, scores(pixels, block), strict=True) if score >= LEAST_SCORE]
        if len(alone) >= wanted:
            break
    return alone[:wanted]


def _is_usable(picture: Picture, captions: Counter[str]) -> bool:
    with Image.open(BytesIO(picture.data)) as image:
        return captions[picture.caption.casefold()] == 1 and not is_flat(image)


def scores(pixels: Bytes, places: Sequence[int]) -> list[float]:
    """Return the adaptive score (`audits.memorization`) of these pictures beside all others."""
    rows, mirrored = (side.reshape(len(pixels), -1) / np.float32(255) for side in (pixels, pixels[..., ::-1]))
    lengths = (rows**2).mean(1)
    products = np.maximum(rows[places] @ rows.T, rows[places] @ mirrored.T) / rows.shape[1]
    squared = np.clip(lengths[places][:, None] + lengths - 2 * products, 0, None)
    squared[range(len(places)), places] = np.inf
    nearest = np.sort(np.sqrt(squared), axis=1)[:, : min(NEIGHBORS, len(pixels) - 1)]
    return [float(l2[0] / (ALPHA * l2.mean())) for l2 in nearest]


def near_copy(picture: Picture, number: int) -> bytes:
    """Return a copy with this number: 0 is the picture; others are resized, brighter or darker, and encoded again."""
    if number == 0:
        return picture.data
    random = np.random.default_rng(_number(f"{picture.sha256}:{number}"))
    with Image.open(BytesIO(picture.data)) as opened:
        image = opened.convert("RGB")
    scale = random.uniform(0.8, 1)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    image = ImageEnhance.Brightness(image).enhance(random.uniform(0.95, 1.05))
    sink = BytesIO()
    image.save(sink, "JPEG", quality=int(random.integers(60, 96)))
    return sink.getvalue()


def caption_of(picture: Picture, number: int) -> str:
    """Return a caption of its own for the copy with this number; that of copy 0 is the picture's."""
    return f"{BEFORE[number % len(BEFORE)]}{picture.caption}{AFTER[number // len(BEFORE) % len(AFTER)]}"


def plant(planting: Planting, folder: Path, *, resolved: bool, captions_differ: bool) -> Path:
    """Write pictures, credits, policy and config, and return the config's path, whose stem is the release's name.

    The policy is byline's for commercial use, with nothing held out. Where duplicates are not `resolved`, only equal
    pixels are. Both may be releases of one corpus, in `folder`/corpus: nothing is fetched and hashed twice.
    """
    name = "resolved" if resolved else "copies"
    return write_corpus(name, folder, _copies(planting), resolved=resolved, captions_differ=captions_differ)


def write_corpus(
    name: str, folder: Path, copies: Iterable[tuple[Picture, int]], *, resolved: bool, captions_differ: bool
) -> Path:
    """Write near copies of pictures, each with its number, as a folder to build; return the path of its config."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    with (pictures / "metadata.jsonl").open("w", encoding="utf-8") as table:
        for picture, number in copies:
            file_name = f"{_stem(picture)}-{number:02}.jpg"
            (pictures / file_name).write_bytes(near_copy(picture, number))
            title = caption_of(picture, number) if captions_differ else picture.caption
            table.write(json.dumps({"file_name": file_name, "title": title, **picture.credit}) + "\n")
    policy = tomllib.loads(POLICY.read_text(encoding="utf-8"))
    policy["split"] = {"heldout_fraction": 0.0}
    policy["duplicates"] |= {} if resolved else EQUAL_PIXELS_ONLY
    (folder / f"{name}-policy.toml").write_text(tomli_w.dumps(policy))
    source = {"name": "planted", "reader": "folder", "path": "pictures", "num_packs": 1}
    config = {"name": name, "root": "corpus", "policy": f"{name}-policy.toml", "sources": [source]}
    path = folder / f"{name}.toml"
    path.write_text(tomli_w.dumps({**config, "caption": {"captioner": "source-text"}}))
    return path


def copies_in(release: Release, planting: Planting) -> dict[int, int]:
    """Return number of copies -> how many of what was planted so often a release of it trains on, in all."""
    columns = ["sha256", "record_id"]
    ids = [row["record_id"] for shard in release.shards("train") for row in _rows(release, shard, columns)]
    times = Counter(record_id.partition(":")[2].partition("-")[0] for record_id in ids)
    return {
        copies: sum(times[_stem(picture)] for picture in pictures) for copies, pictures in planting.by_copies.items()
    }


def _rows(release: Release, shard: Shard, columns: list[str]) -> list[dict[str, str]]:
    table = release.rows(shard, columns)
    assert table is not None, "byline build writes a table beside each shard"
    return list(table.to_pylist())


def _stem(picture: Picture) -> str:
    return picture.sha256[:16]


def _copies(planting: Planting) -> Iterator[tuple[Picture, int]]:
    for copies, picture in planting.planted:
        yield from ((picture, number) for number in range(copies))
    yield from ((picture, 0) for picture in planting.others)


def _number(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:8])
