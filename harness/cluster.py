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
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

STARTS_WITHIN_S = 120
TEMPORARY = "/tmp"
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
    host, port = sys.argv[1].rsplit(":", 1)
    async with await asyncio.start_server(serve, host, int(port)) as server:
        await server.serve_forever()
asyncio.run(main())
"""
"""What a service in front of several pools does: each connection goes to the next of them."""


def prism_path() -> str | None:
    """Return where Prism is; None where it was not installed."""
    return shutil.which("prism") or shutil.which("prism", path=str(Path.home() / "go/bin"))


def a_free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


Running = AbstractContextManager["subprocess.Popen[bytes]"]


@dataclass(frozen=True)
class Network:
    """A machine of its own as far as networks and folders go: it has one address, and empty folders where told."""

    name: str
    address: str
    hidden: tuple[str, ...]
    hosts: str
    is_apart: bool = True
    """Whether it has a cable of its own; else it is this machine under a name that the others know."""

    def command(self, command: Sequence[str]) -> list[str]:
        """Return the command that runs another in here."""
        hide = "".join(f"mount -t tmpfs tmpfs '{folder}' && " for folder in self.hidden)
        named = 'printf "$0" > /tmp/hosts && mount --bind /tmp/hosts /etc/hosts'
        script = f'{hide}hostname {self.name} && {named} && exec "$@"'
        inside = ["unshare", "--mount", "--uts", "sh", "-c", script, self.hosts, *command]
        return ["ip", "netns", "exec", self.name, *inside] if self.is_apart else inside


@contextmanager
def networks(number: int, hidden: Sequence[Path]) -> Iterator[tuple[Network, list[Network]]]:
    """Give this machine as so many new networks see it at the other end of their cables, and them. Root only.

    In each, `/tmp` and `hidden` are empty.
    """
    tag, block = secrets.token_hex(2), f"10.{77 + secrets.randbelow(100)}.{secrets.randbelow(250)}"
    bridge = f"by{tag}"
    names = [bridge, *(f"by{tag}-{index}" for index in range(number))]
    hosts = "".join(f"{block}.{index + 1} {name}\\n" for index, name in enumerate(names))
    hosts = f"127.0.0.1 localhost\\n{hosts}"
    folders = tuple(
        dict.fromkeys([TEMPORARY, *(str(path) for path in hidden if TEMPORARY not in map(str, path.parents))])
    )
    with ExitStack() as stack:
        _run("ip", "link", "add", bridge, "type", "bridge")
        stack.callback(_run, "ip", "link", "del", bridge)
        _run("ip", "addr", "add", f"{block}.1/24", "dev", bridge)
        _run("ip", "link", "set", bridge, "up")
        new_networks = [Network(name, f"{block}.{index + 2}", folders, hosts) for index, name in enumerate(names[1:])]
        for index, network in enumerate(new_networks):
            _run("ip", "netns", "add", network.name)
            stack.callback(_run, "ip", "netns", "del", network.name)
            end = f"{bridge}v{index}"
            _run("ip", "link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", network.name)
            _run("ip", "link", "set", end, "master", bridge, "up")
            _run("ip", "-n", network.name, "addr", "add", f"{network.address}/24", "dev", "eth0")
            _run("ip", "-n", network.name, "link", "set", "eth0", "up")
            _run("ip", "-n", network.name, "link", "set", "lo", "up")
        yield Network(bridge, f"{block}.1", (TEMPORARY,), hosts, is_apart=False), new_networks


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def running(
    command: Sequence[str],
    port: int,
    log: Path,
    *,
    network: Network | None = None,
    host: str = "127.0.0.1",
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
        until_open(network.address if network and network.is_apart else host, port, process, log)
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def until_open(host: str, port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Return once somebody listens. Raises `RuntimeError` with the end of the log when the process ends before that."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            socket.create_connection((host, port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{process.args!r} did not start: {log.read_text()[-2000:]}") from None
            time.sleep(0.1)


def a_pool(port: int, log: Path, **more: object) -> Running:
    """Run Beam's pool of workers, which starts a worker process for whoever asks."""
    module = "apache_beam.runners.worker.worker_pool_main"
    return running([sys.executable, "-m", module, f"--service_port={port}"], port, log, **more)  # type: ignore[arg-type]


def a_prism(port: int, log: Path, **more: object) -> Running:
    """Run Prism, the runner that Beam has in Go."""
    prism = prism_path()
    assert prism, "run scripts/prism"
    command = [prism, f"-job_port={port}", "-serve_http=false"]
    return running(command, port, log, **more)  # type: ignore[arg-type]


def a_job_service(port: int, log: Path, **more: object) -> Running:
    """Run Beam's local job service, the runner of this machine behind the interface of the others, as byline has it."""
    module = "byline.pipelines.beam.job_service"
    return running([sys.executable, "-m", module, f"--port={port}"], port, log, **more)  # type: ignore[arg-type]


def a_relay(port: int, targets: Sequence[str], log: Path, *, network: Network | None = None) -> Running:
    """Run what divides connections over several pools, or passes them on to one place from another machine."""
    host = network.address if network else "127.0.0.1"
    return running([sys.executable, "-c", RELAY, f"{host}:{port}", *targets], port, log, network=network)


def beam_options(endpoint: str, pool: str | None) -> list[str]:
    """Return Beam's options for a job service and a pool of workers; without one the driver is the worker."""
    external = ["--environment_type=EXTERNAL", f"--environment_config={pool}"]
    workers = external if pool else ["--environment_type=LOOPBACK"]
    return ["--runner=PortableRunner", f"--job_endpoint={endpoint}", f"--artifact_endpoint={endpoint}", *workers]
