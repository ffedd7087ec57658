import numpy as np
import pytest
import torch

from byline.catalog.corpora.manifest import Release
from byline.catalog.errors import CorpusError
from byline.diffusion.autoencoder import load_autoencoder
from byline.diffusion.configs import TextEncoderConfig
from byline.diffusion.text import TextEncoder
from byline.training.encoded_shards import make_encoded
from byline.training.encoding import Encoders, Views, latent_facts, shards_of_rank, text_facts
from byline.training.feed_files import open_arrays, write_arrays
from byline.training.ranks import Ranks
from byline.training.samples import read_samples, shards_of
from tests.training.builders import SIDE_PX, a_release, an_autoencoder

ALONE = Ranks(rank=0, size=1, device=torch.device("cpu"))
AS_IT_IS = Views()


@pytest.fixture(scope="module")
def text_encoder():
    return TextEncoder(TextEncoderConfig(max_tokens=8))


def encoders_for(release, folder, text_encoder, views=AS_IT_IS):
    autoencoder = load_autoencoder(folder)
    return Encoders(
        autoencoder=autoencoder,
        text_encoder=text_encoder,
        latents=latent_facts(release.store, autoencoder, side_px=SIDE_PX, precision="fp32", views=views),
        text=text_facts(release.store, text_encoder),
        views=views,
        side_px=SIDE_PX,
        precision="fp32",
    )


def measured(encoders, release, ranks=ALONE):
    done: list[int] = []
    count = encoders.measure_missing(release, ranks, done.append)
    assert sum(done) == sum(shard.num_samples for shard in shards_of_rank(release, ranks))
    return count


def arrays_of(encoders, release, shard, folder):
    parts = encoders.views.columns
    write_arrays(folder, lambda new: make_encoded(release, shard, encoders.latents, encoders.text, parts, new))
    return open_arrays(folder)


def test_a_second_release_measures_only_what_is_new(tmp_path, text_encoder):
    autoencoder = an_autoencoder(tmp_path / "vae")
    first = Release(a_release(tmp_path / "corpus", train=6))
    assert measured(encoders_for(first, autoencoder, text_encoder), first) == 12
    second = Release(a_release(tmp_path / "corpus", train=9, name="more"))
    encoders = encoders_for(second, autoencoder, text_encoder)
    assert measured(encoders, second) == 6
    assert measured(encoders, second) == 0


def test_ranks_share_the_packs(tmp_path, text_encoder):
    release = Release(a_release(tmp_path / "corpus", packs=3))
    encoders = encoders_for(release, an_autoencoder(tmp_path / "vae"), text_encoder)
    shares = [measured(encoders, release, Ranks(rank=r, size=2, device=torch.device("cpu"))) for r in (0, 1)]
    assert shares == [12, 6]
    assert measured(encoders, release) == 0


def test_latents_do_not_depend_on_what_is_encoded_beside_them(tmp_path, text_encoder):
    autoencoder = an_autoencoder(tmp_path / "vae")
    few, many = Release(a_release(tmp_path / "few", train=2)), Release(a_release(tmp_path / "many", train=9))
    tables = []
    for release in (few, many):
        encoders = encoders_for(release, autoencoder, text_encoder)
        measured(encoders, release)
        rows = encoders.latents.read("tiny-00001").to_pylist()
        tables.append({row["sha256"]: row["latents"] for row in rows})
    assert tables[0].items() <= tables[1].items()


def test_encoded_shards_are_in_key_order(tmp_path, text_encoder):
    release = Release(a_release(tmp_path / "corpus"))
    encoders = encoders_for(release, an_autoencoder(tmp_path / "vae"), text_encoder)
    measured(encoders, release)
    shard = shards_of(release, "train")[1]
    arrays, samples = arrays_of(encoders, release, shard, tmp_path / "arrays"), read_samples(release, shard)
    assert arrays["latents"].shape == (6, 1, 1, 4, 8, 8)
    rows = {row["sha256"]: row["latents"] for row in encoders.latents.read(shard.pack).to_pylist()}
    assert [latents.tobytes() for latents in arrays["latents"]] == [rows[sha256] for sha256 in samples.sha256s]
    caption = arrays["caption_of"][4]
    start, end = (0, *arrays["token_ends"])[caption : caption + 2]
    expected = text_encoder.encode([samples.captions[4]])[0].half().numpy()
    assert np.array_equal(arrays["tokens"][start:end], expected)


def test_spread_and_mirrored_latents_are_kept_where_a_run_needs_them(tmp_path, text_encoder):
    release = Release(a_release(tmp_path / "corpus"))
    autoencoder = an_autoencoder(tmp_path / "vae")
    plain = encoders_for(release, autoencoder, text_encoder)
    rich = encoders_for(release, autoencoder, text_encoder, Views(spread=True, mirrored=True))
    assert measured(plain, release) == measured(rich, release) == 12
    shard = shards_of(release, "train")[0]
    latents = arrays_of(rich, release, shard, tmp_path / "rich")["latents"]
    assert latents.shape == (6, 2, 2, 4, 8, 8)
    assert np.array_equal(latents[:, :1, :1], arrays_of(plain, release, shard, tmp_path / "plain")["latents"])
    assert (latents[:, :, 1] > 0).all()
    assert not np.array_equal(latents[:, 0], latents[:, 1])


def test_latents_that_are_not_finite_are_an_error(tmp_path, text_encoder):
    release = Release(a_release(tmp_path / "corpus"))
    encoders = encoders_for(release, an_autoencoder(tmp_path / "vae"), text_encoder)
    encoders.autoencoder.encoder.conv_in.bias.data[0] = np.nan
    with pytest.raises(CorpusError, match=r"latents of image \w{64} are not finite"):
        measured(encoders, release)


def test_facts_that_are_gone_are_named(tmp_path, text_encoder):
    release = Release(a_release(tmp_path / "corpus"))
    encoders = encoders_for(release, an_autoencoder(tmp_path / "vae"), text_encoder)
    with pytest.raises(CorpusError, match="facts/latents/.* lacks 6 of the samples of tiny-00000; run byline train"):
        arrays_of(encoders, release, shards_of(release, "train")[0], tmp_path / "arrays")


def test_other_weights_are_another_instrument(tmp_path):
    release = Release(a_release(tmp_path / "corpus"))
    names = {
        latent_facts(
            release.store, load_autoencoder(folder), side_px=SIDE_PX, precision="fp32", views=AS_IT_IS
        ).instrument
        for folder in (an_autoencoder(tmp_path / "a"), an_autoencoder(tmp_path / "b", latent_channels=8))
    }
    assert len(names) == 2


def test_a_damaged_shard_is_named(tmp_path):
    release = Release(a_release(tmp_path / "corpus"))
    shard = shards_of(release, "train")[0]
    (tmp_path / "corpus" / "shards" / shard.name).write_bytes(b"")
    with pytest.raises(CorpusError, match=f"{shard.name} is damaged; delete it and build again"):
        read_samples(release, shard)
