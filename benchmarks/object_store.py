"""What a build asks of an object store, and a store that fails: python -m benchmarks.object_store [PICTURES...]

A real S3 endpoint (moto's server) holds corpus and release; pictures come from a web on loopback. A proxy in front of
the endpoint counts requests, and in the last rows fails every 20th, by turns: 503, 500, an answer that breaks off, one
that is lost after the store did what was asked, and one that stalls.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3

from benchmarks.side_by_side import write_section
from harness.cluster import a_free_port, running
from harness.failing_store import failing_store
from harness.fetch_only import run, write_corpus
from harness.pictures import a_jpeg
from harness.web import Web, a_web

SIZES, NUM_PACKS = (250, 1_000), 4
SIZE_PX, NUM_HOSTS = (160, 120), 50
EVERY, STALL_S = 20, 5.0
KINDS = ("HEAD", "GET", "PUT", "part", "DELETE", "list")
BUCKET = "counted"
BYLINE = [sys.executable, "-m", "byline.cli.main", "build"]
COLUMNS = ("pictures", "root", *KINDS, "of 1,000 pictures", "connections", "failed", "wall", "release")


@contextmanager
def an_endpoint(log: Path) -> Iterator[str]:
    """Serve S3 in a process of its own, with an empty bucket; give its URL."""
    port = a_free_port()
    os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    with running([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port, log):
        url = f"http://127.0.0.1:{port}"
        boto3.client("s3", endpoint_url=url).create_bucket(Bucket=BUCKET)
        yield url


def built(folder: Path, web: Web, number: int, endpoint: str | None, *, every: int = 0) -> list[str]:
    """Build in a folder, or in the bucket of an endpoint through the proxy; return the cells of a row."""
    urls = [web.url(index % NUM_HOSTS, index, index) for index in range(number)]
    polite = {"per_host": 4, "rate_per_s": 100.0}
    if endpoint is None:
        config = write_corpus(folder, urls, num_packs=NUM_PACKS, fetch=polite)
        wall_s = run([*BYLINE, str(config), "--workers=2"]).wall_s
        version = (folder / "corpus/releases/fetched/LATEST").read_text().strip()
        return [f"{number:,}", "folder", *["" for _ in KINDS], "", "", "", f"{wall_s:.0f} s", version]
    root = f"s3://{BUCKET}/{folder.name}"
    config = write_corpus(folder, urls, num_packs=NUM_PACKS, fetch=polite, root=root)
    with failing_store(endpoint, every=every, stall_s=STALL_S) as proxy:
        os.environ |= {"AWS_ENDPOINT_URL": proxy.url, "FSSPEC_S3_ENDPOINT_URL": proxy.url}
        wall_s = run([*BYLINE, str(config), "--workers=2"]).wall_s
    latest = boto3.client("s3", endpoint_url=endpoint).get_object(
        Bucket=BUCKET, Key=f"{folder.name}/releases/fetched/LATEST"
    )
    asked, failed = proxy.asked.total(), proxy.failed.total()
    return [
        f"{number:,}",
        "bucket" if not every else "bucket that fails",
        *(f"{proxy.asked[kind]:,}" for kind in KINDS),
        f"{1_000 * asked / number:,.0f}",
        str(proxy.connections),
        f"{failed:,}",
        f"{wall_s:.0f} s",
        latest["Body"].read().decode().strip(),
    ]


def main(sizes: list[int]) -> str:
    """Return the table."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---:|---" + "|---:" * (len(COLUMNS) - 3) + "|---|"]
    with tempfile.TemporaryDirectory() as name, an_endpoint(Path(name) / "s3.log") as endpoint:
        pictures = [a_jpeg(seed, size=SIZE_PX) for seed in range(max(sizes))]
        with a_web(Path(name), pictures) as web:
            for number in sizes:
                arms = {"folder": (None, 0), "bucket": (endpoint, 0), "failing": (endpoint, EVERY)}
                for arm, (where, every) in arms.items():
                    cells = built(Path(name) / f"{arm}-{number}", web, number, where, every=every)
                    lines.append(f"| {' | '.join(cells)} |")
                    print(lines[-1], flush=True)
    return "\n".join(lines)


if __name__ == "__main__":
    given = [int(number) for number in sys.argv[1:]] or list(SIZES)
    introduction = (
        f"Builds of pictures from a web on loopback, in {NUM_PACKS} packs by two processes. The bucket that fails\n"
        f"does so at every {EVERY}th request, by turns: 503, 500, an answer that breaks off, one that is lost after\n"
        f"the store did what was asked, and {STALL_S:g} s of silence.\n\n"
    )
    command = f"python -m benchmarks.object_store {' '.join(sys.argv[1:])}".strip()
    write_section("Requests to an object store", command, introduction + main(given))
