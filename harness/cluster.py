"""Clusters on one machine: Beam's own runners, pools of workers, and networks that share nothing but a cable.

Needs no more than what Beam brings, but for Prism (Go), and for networks root and Linux.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

PRISM = "github.com/apache/beam/sdks/v2/go/cmd/prism@v2.77.0"
STARTS_WITHIN_S = 120
RELAY = """
import asyncio, itertools, sys
targets = itertools.cycle([target.rsplit(":", 1) for target in sys.argv[2:]])
async def copy(reader, writer):
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()
async def serve(reader, writer):
    there = await asyncio.open_connection(*next(targets))
    await asyncio.gather(copy(reader, there[1]), copy(there[0], writer))
async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1])) as server:
        await server.serve_forever()
asyncio.run(main())
"""
"""What a service in front of several pools does: each connection goes to the next of them."""


def prism_path() -> str | None:
    """Return where Prism is; None where it was not installed."""
    return shutil.which("prism") or shutil.which("prism", path=str(Path.home() / "go/bin"))


def a_free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass(frozen=True)
class Network:
    """A machine of its own as far as networks and folders go: it has one address, and empty folders where told."""

    name: str
    address: str
    hidden: tuple[str, ...]
    hosts: str

    def command(self, command: Sequence[str]) -> list[str]:
        """Return the command that runs another in here."""
        hide = " && ".join(f"mount -t tmpfs tmpfs {folder}" for folder in self.hidden)
        script = f'hostname {self.name} && {hide} && printf "$0" > /tmp/hosts && mount --bind /tmp/hosts /etc/hosts && exec "$@"'
        inside = ["unshare", "--mount", "--uts", "sh", "-c", script, self.hosts, *command]
        return ["ip", "netns", "exec", self.name, *inside]


@contextmanager
def networks(number: int, hidden: Sequence[Path]) -> Iterator[tuple[str, list[Network]]]:
    """Give the address of this machine on a cable to as many new networks, and them. Root only.

    In each, `/tmp` and `hidden` are empty.
    """
    tag, block = secrets.token_hex(2), f"10.{77 + secrets.randbelow(100)}.{secrets.randbelow(250)}"
    bridge, here, found = f"by{tag}", f"{block}.1", []
    folders = tuple(dict.fromkeys(["/tmp", *(str(one) for one in hidden if not str(one).startswith("/tmp/"))]))  # noqa: S108
    with ExitStack() as stack:
        stack.callback(_run, "ip", "link", "del", bridge)
        _run("ip", "link", "add", bridge, "type", "bridge")
        _run("ip", "addr", "add", f"{here}/24", "dev", bridge)
        _run("ip", "link", "set", bridge, "up")
        for place in range(number):
            name, end, address = f"by{tag}-{place}", f"by{tag}v{place}", f"{block}.{place + 2}"
            stack.callback(_run, "ip", "netns", "del", name)
            _run("ip", "netns", "add", name)
            _run("ip", "link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", name)
            _run("ip", "link", "set", end, "master", bridge, "up")
            _run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
            _run("ip", "-n", name, "link", "set", "eth0", "up")
            _run("ip", "-n", name, "link", "set", "lo", "up")
            hosts = f"127.0.0.1 localhost\\n{here} {socket.getfqdn()}\\n{address} {name}\\n"
            found.append(Network(name, address, folders, hosts))
        yield here, found


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def running(
    command: Sequence[str],
    port: int,
    log: Path,
    *,
    network: Network | None = None,
    environment: Mapping[str, str] = {},
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server until the block ends, and give it once it listens; what it started ends with it."""
    inside = network.command(command) if network else list(command)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with log.open("ab") as out:
        process = subprocess.Popen(
            inside,
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, "PATH": path, **environment},
        )
    try:
        _until_open(network.address if network else "127.0.0.1", port, process, log)
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _until_open(host: str, port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            socket.create_connection((host, port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{process.args!r} did not start: {log.read_text()[-2000:]}") from None
            time.sleep(0.1)


def a_pool(port: int, log: Path, **more: object) -> "object":
    """Run Beam's pool of workers, which starts a worker process for whoever asks."""
    module = "apache_beam.runners.worker.worker_pool_main"
    return running([sys.executable, "-m", module, f"--service_port={port}"], port, log, **more)  # type: ignore[arg-type]


def a_prism(port: int, log: Path, **more: object) -> "object":
    """Run Prism, the runner that Beam has in Go."""
    prism = prism_path()
    assert prism, f"go install {PRISM}"
    command = [prism, f"-job_port={port}", "-serve_http=false"]
    return running(command, port, log, **more)  # type: ignore[arg-type]


def a_job_service(port: int, log: Path, **more: object) -> "object":
    """Run Beam's local job service, the runner of this machine behind the interface of the others."""
    module = "apache_beam.runners.portability.local_job_service_main"
    return running([sys.executable, "-m", module, f"--port={port}"], port, log, **more)  # type: ignore[arg-type]


def a_relay(port: int, targets: Sequence[str], log: Path) -> "object":
    """Run what divides connections over several pools."""
    return running([sys.executable, "-c", RELAY, str(port), *targets], port, log)


def beam_options(endpoint: str, pool: str | None) -> list[str]:
    """Return Beam's options for a job service and a pool of workers; without one the driver is the worker."""
    where = ["EXTERNAL", f"--environment_config={pool}"] if pool else ["LOOPBACK"]
    return ["--runner=PortableRunner", f"--job_endpoint={endpoint}", f"--artifact_endpoint={endpoint}", f"--environment_type={where[0]}", *where[1:]]
