"""Training beside the loop of diffusers' text-to-image example: python -m benchmarks.trainer [ROUNDS]

The example's loop (`examples/text_to_image/train_text_to_image.py`, with --use_ema) is written out, since the example
asks for accelerate, datasets and a hub: in each step it decodes, resizes and mirrors pictures, encodes them and their
captions, padded to the longest that is allowed, and predicts noise. The same loop is also given latents and captions
that were encoded before. Both sides train the same U-Net, from the same weights, on the same pictures, by AdamW,
clipped, with an average of the weights, in turns and in one process; in bf16 as accelerate does of it, with the frozen
models in bf16 and the U-Net under autocast. Each computes on one thread, and byline reads ahead on another. Seconds are
of processors and of all threads, since other work on the machine changes these less.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import cycle, product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from benchmarks.side_by_side import Row, measure, table, write_section
from byline.catalog.corpora.manifest import Manifest, Release, Shard, manifest_bytes
from byline.catalog.digests import sha256_hex
from byline.catalog.disk.storage import Store
from byline.catalog.disk.tars import write_tar
from byline.diffusion.autoencoder import build_autoencoder
from byline.diffusion.configs import AutoencoderConfig, Precision
from byline.diffusion.text import TextEncoder
from byline.training.config import DiffusionRun
from byline.training.diffusion_task import DiffusionTask
from byline.training.ema import WeightAverage
from byline.training.engine import build_engine
from byline.training.kernels import attention_by
from byline.training.ranks import join
from byline.training.stepping import take_step

# Shapes: B batch, C channels, H and W height and width, L tokens, D width of a token.

STEPS = 1
"""Steps of a measurement."""
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
PICTURE_PX = 256
"""Shorter side of the pictures of the release."""
WORDS = "a small old red wooden boat on a calm lake under gray clouds near dark green hills at noon in may".split()


@dataclass(frozen=True, kw_only=True)
class Size:
    """What is trained."""

    name: str
    resolution_px: int
    batch: int
    max_tokens: int
    unet: dict[str, Any]
    vae: tuple[AutoencoderConfig, ...] = ()
    """Of a new autoencoder; the one that comes with byline when there is none."""


SIZES = (
    Size(
        name="the demo: 64 px, U-Net of 96 and 160 channels, captions of up to 32 tokens",
        resolution_px=64,
        batch=32,
        max_tokens=32,
        unet={"block_out_channels": [96, 160]},
    ),
    Size(
        name="Stable Diffusion 2 at an eighth of its width: 128 px, captions of up to 77 tokens",
        resolution_px=128,
        batch=8,
        max_tokens=77,
        unet={"block_out_channels": [40, 80, 160, 160], "layers_per_block": 2, "norm_num_groups": 8},
        vae=(
            AutoencoderConfig(
                block_out_channels=(16, 32, 64, 64), layers_per_block=2, latent_channels=4, norm_num_groups=8
            ),
        ),
    ),
)


def a_picture(seed: int) -> bytes:
    """Return a JPEG of smooth colors."""
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(coarse).resize((PICTURE_PX * 4 // 3, PICTURE_PX)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def a_caption(seed: int) -> str:
    """Return 6 to 20 words."""
    random = np.random.default_rng(seed)
    return " ".join(random.choice(WORDS, random.integers(6, 21)))


def make_release(folder: Path, samples: list[tuple[bytes, str]]) -> str:
    """Write a release of these pictures and captions; return its place."""
    store, tar = Store(str(folder)), BytesIO()
    members = []
    for picture, caption in samples:
        sha256 = sha256_hex(picture)
        facts = json.dumps({"sha256": sha256, "record_id": f"made:{sha256}"}).encode()
        members += [(f"{sha256}.jpg", picture), (f"{sha256}.json", facts), (f"{sha256}.txt", caption.encode())]
    write_tar(tar, sorted(members))
    name, data = "made-00000-train.tar", tar.getvalue()
    store.write_bytes(f"shards/{name}", data)
    shard = Shard(
        name=name, pack="made-00000", split="train", sha256=sha256_hex(data), table_sha256="",
        num_samples=len(samples), num_bytes=len(data),
    )  # fmt: skip
    manifest = Manifest(
        name="made", policy_digest="", instruments={}, shards=(shard,), counts={}, reasons={}, licenses={},
        records={}, papers={},
    )  # fmt: skip
    store.write_bytes("releases/made/v1/manifest.json", manifest_bytes(manifest))
    return f"{folder}/releases/made/v1"


def a_config(size: Size, folder: Path, release: str, precision: Precision) -> DiffusionRun:
    """Return a run of this size."""
    vae_path = str(Path(__file__).parents[1] / "samples/models/tiny-vae")
    for config in size.vae:
        torch.manual_seed(0)
        vae_path = str(folder / "vae")
        build_autoencoder(config, side_px=size.resolution_px).save_pretrained(vae_path)
    return DiffusionRun.model_validate(
        {
            "kind": "diffusion",
            "release": release,
            "run": str(folder / "run"),
            "resolution_px": size.resolution_px,
            "images": 1_000 * size.batch,
            "batch_size": size.batch,
            "precision": precision,
            "ema_half_life_images": 1_000,
            "autoencoder": vae_path,
            "text_encoder": {"name": "all-MiniLM-L6-v2", "max_tokens": size.max_tokens},
            "unet": {**size.unet, "pooled_text": False},
            "noise": {"prediction_type": "epsilon"},
            "optimizer": {"learning_rate": 1e-4, "betas": (0.9, 0.999), "schedule": "constant"},
            "machine": {"log_every_images": size.batch, "save_every_images": size.batch, "max_images_per_pass": 1_000},
        }
    )


@contextmanager
def ours(config: DiffusionRun, task: DiffusionTask) -> Iterator[Callable[[], None]]:
    """Give what takes some steps as `training.loop` does."""
    ranks = join()
    engine = build_engine(task.network, config, ranks)
    average = WeightAverage(engine, half_life_images=config.ema_half_life_images)
    with closing(task.batches(ranks, 0, 1)) as batches:
        seen = 0

        def steps() -> None:
            nonlocal seen
            with attention_by(config.machine.attention, device=ranks.device, precision=config.precision):
                for _ in range(STEPS):
                    take_step(engine, next(batches), 1e-4)
                    seen += config.batch_size
                    average.update(images_seen=seen, batch_size=config.batch_size)

        yield steps


class Example:
    """The example's step, as it is there: names, calls and defaults, and what accelerate does of --mixed_precision."""

    def __init__(
        self, unet: UNet2DConditionModel, vae: AutoencoderKL, text_encoder: TextEncoder, precision: Precision
    ) -> None:
        self.unet = unet
        self.weight_dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self.vae, self.text_encoder = vae.to(dtype=self.weight_dtype), text_encoder.model.to(dtype=self.weight_dtype)
        self.noise_scheduler = DDPMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000
        )
        self.ema_unet = EMAModel(unet.parameters(), model_cls=UNet2DConditionModel, model_config=unet.config)
        self.optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-4, betas=(0.9, 0.999), weight_decay=1e-2, eps=1e-8)
        self.lr_scheduler = get_scheduler("constant", optimizer=self.optimizer)

    def encode(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return latents and token vectors of a batch."""
        with torch.no_grad():
            pixel_values = batch["pixel_values"].to(self.weight_dtype)
            latents = self.vae.encode(pixel_values).latent_dist.sample() * self.vae.config.scaling_factor
            hidden = self.text_encoder(batch["input_ids"], return_dict=False)[0]
        return latents, hidden

    def step(self, latents: Tensor, encoder_hidden_states: Tensor) -> None:
        """Train on what was encoded."""
        noise = torch.randn_like(latents)
        timesteps = torch.randint(0, self.noise_scheduler.config.num_train_timesteps, (latents.shape[0],)).long()
        noisy_latents = self.noise_scheduler.add_noise(latents, noise, timesteps)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.weight_dtype == torch.bfloat16):
            model_pred = self.unet(noisy_latents, timesteps, encoder_hidden_states, return_dict=False)[0]
        loss = torch.nn.functional.mse_loss(model_pred.float(), noise.float(), reduction="mean")
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.unet.parameters(), 1.0)
        self.optimizer.step()
        self.lr_scheduler.step()
        self.optimizer.zero_grad()
        self.ema_unet.step(self.unet.parameters())
        loss.detach().item()


def loader_of(size: Size, samples: list[tuple[bytes, str]], text_encoder: TextEncoder) -> DataLoader[Any]:
    """Return what the example reads: pictures decoded and tokens padded when a batch asks for them."""

    def collate(part: list[tuple[bytes, str]]) -> dict[str, Tensor]:
        tokens = text_encoder.tokenizer(
            [caption for _, caption in part],
            max_length=size.max_tokens,
            padding="max_length",
            truncation=True,
            return_tensors="pt",
        )
        pixels = torch.stack([_transform(picture, size.resolution_px) for picture, _ in part])
        return {"pixel_values": pixels, "input_ids": tokens.input_ids}

    return DataLoader(samples, shuffle=True, collate_fn=collate, batch_size=size.batch)  # type: ignore[arg-type]


def _transform(picture: bytes, side: int) -> Tensor:
    """Resize the shorter side, crop the center, mirror half, and map to [-1, 1]."""
    image = Image.open(BytesIO(picture)).convert("RGB")
    scale = side / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image = image.crop((left, top, left + side, top + side))
    if torch.rand(()) < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float() / 127.5 - 1


def compare(size: Size, rounds: int, precision: Precision) -> tuple[Row, ...]:
    """Time byline beside the example as it is, and beside its loop on what was encoded before."""
    samples = [(a_picture(seed), a_caption(seed)) for seed in range(4 * size.batch)]
    with TemporaryDirectory() as folder:
        config = a_config(size, Path(folder), make_release(Path(folder), samples), precision)
        task = DiffusionTask(config, Release(config.release), join())
        text_encoder = TextEncoder(config.text_encoder)
        vae = AutoencoderKL.from_pretrained(str(config.autoencoder), use_safetensors=True).requires_grad_(False).eval()
        unet = UNet2DConditionModel.from_config(task.network.unet.config)
        unet.load_state_dict(task.network.unet.state_dict())
        example = Example(unet, vae, text_encoder, precision)
        loader = loader_of(size, samples, text_encoder)
        online = (batch for _ in cycle([0]) for batch in loader)
        cached = cycle([example.encode(batch) for batch in loader])

        def as_it_is() -> None:
            for _ in range(STEPS):
                example.step(*example.encode(next(online)))

        def on_cached() -> None:
            for _ in range(STEPS):
                example.step(*next(cached))

        with ours(config, task) as steps:
            images = STEPS * size.batch
            return tuple(
                measure(images, steps, peer, rounds=rounds, clock=process_time) for peer in (as_it_is, on_cached)
            )


def main() -> None:
    """Write the section."""
    torch.set_num_threads(1)
    rounds, parts = int(sys.argv[1]) if len(sys.argv) > 1 else 5, [__doc__ or ""]
    parts = [parts[0].split("\n\n", 1)[1].strip()]
    for size, precision in product(SIZES, PRECISIONS):
        online, cached = compare(size, rounds, precision)
        rows = [table("images", "byline", "the example as it is", [online])]
        rows += [table("images", "byline", "its loop, encoded before", [cached])]
        most, ours = (median(online.peer_s) / median(each) for each in (cached.peer_s, online.ours_s))
        bound = f"A loop that decodes and encodes nothing is {most:.1f}x as fast as the example, whoever writes it"
        faster = (
            f"; more than that is another kernel of attention, which {precision} has here" if ours > 1.2 * most else ""
        )
        rows.append(f"{bound}{faster}.")
        parts.append(f"**{size.name}**, batch {size.batch}, {precision}\n\n" + "\n\n".join(rows))
    write_section("Training beside diffusers' example", "python -m benchmarks.trainer", "\n\n".join(parts))


if __name__ == "__main__":
    main()
