"""Images, manifests and the Slurm script: each is checked by what checks its kind, and its commands run here."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from contextlib import ExitStack
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from byline.diffusion.checkpoint import open_checkpoint
from byline.pipelines.beam.build import build
from harness.cluster import a_free_port, a_relay, running
from harness.run_configs import write_toml
from tests.pipelines.beam.clusters import a_web, a_web_corpus
from tests.training.builders import a_release, an_autoencoder_run

ROOT = Path(__file__).parent.parent
DOCKERFILE = ROOT / "containers/Dockerfile"
MANIFESTS = sorted((ROOT / "containers/kubernetes").glob("*.yaml"))
BIN = Path(sys.executable).parent
ARTIFACT = re.findall(r"artifact=([\w.:-]+)", (ROOT / "scripts/flink-schema").read_text())[0]


def _documents(path):
    return list(yaml.safe_load_all(path.read_text()))


def _containers(document):
    """Return the containers of a workload by name, those that run beside the others included."""
    pod = document["spec"]["template"]["spec"]
    return {container["name"]: container for key in ("initContainers", "containers") for container in pod.get(key, [])}


def _command(container):
    return [*container["command"], *container.get("args", [])]


def test_the_dockerfile_is_clean():
    done = subprocess.run([BIN / "hadolint", DOCKERFILE], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_hadolint_sees_what_is_wrong(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM debian:latest\nRUN cd /tmp && sudo make\n")
    done = subprocess.run([BIN / "hadolint", tmp_path / "Dockerfile"], capture_output=True, text=True)
    assert {"DL3003", "DL3004", "DL3007"} <= set(re.findall(r"DL\d+", done.stdout))


def test_the_steps_of_the_images_are_scripts_that_a_fresh_machine_runs():
    steps = re.findall(r"^RUN (.*)$", DOCKERFILE.read_text(), re.M)
    scripts = [step.removeprefix("/opt/byline/") for step in steps if not step.startswith("useradd")]
    assert scripts == ["scripts/system", "containers/install worker", "containers/install trainer"]
    assert all(os.access(ROOT / script.split()[0], os.X_OK) for script in scripts)
    fresh = (ROOT / "scripts/fresh-machine").read_text()
    assert 'chroot "$root" /home/reader/byline/scripts/system' in fresh
    assert "`-- containers/install worker`" in fresh


def test_an_image_that_is_none_is_told():
    done = subprocess.run([ROOT / "containers/install", "both"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "byline: say which image: containers/install worker|trainer\n")


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifests_are_what_kubernetes_knows(path):
    known = [document for document in _documents(path) if not document["apiVersion"].startswith("flink.")]
    assert known
    for document in known:
        kubernetes_validate.validate(document, "1.37", strict=True)


def test_a_manifest_with_a_key_that_kubernetes_does_not_know_is_refused():
    document = _documents(ROOT / "containers/kubernetes/train.yaml")[1]
    document["spec"]["template"]["spec"]["containers"][0]["comand"] = ["torchrun"]
    with pytest.raises(kubernetes_validate.ValidationError, match="comand"):
        kubernetes_validate.validate(document, "1.37", strict=True)


def _schema_of_flink():
    """Return the operator's schema of a deployment, in which no key is allowed that it does not list."""
    group, name, version = ARTIFACT.split(":")
    folder = Path.home() / ".m2/repository" / group.replace(".", "/") / name / version
    if not (jar := folder / f"{name}-{version}.jar").exists():
        pytest.skip("the schema of Flink's operator is not here: run scripts/flink-schema where Maven is")
    with zipfile.ZipFile(jar) as files:
        definition = yaml.safe_load(files.read("META-INF/fabric8/flinkdeployments.flink.apache.org-v1.yml"))
    (version_of_api,) = [one for one in definition["spec"]["versions"] if one["name"] == "v1beta1"]
    return _closed(version_of_api["schema"]["openAPIV3Schema"])


def _closed(schema):
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(part) for key, part in schema.items()}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        closed.setdefault("additionalProperties", False)
    return closed


def _flink():
    (deployment,) = [
        document
        for document in _documents(ROOT / "containers/kubernetes/flink.yaml")
        if document["kind"] == "FlinkDeployment"
    ]
    return deployment, {key: part for key, part in deployment.items() if key in {"spec", "status"}}


@pytest.mark.slow
def test_the_manifest_for_flink_is_what_its_operator_knows():
    schema = _schema_of_flink()
    deployment, checked = _flink()
    jsonschema.validate(checked, schema)
    pool = next(
        container
        for container in deployment["spec"]["taskManager"]["podTemplate"]["spec"]["containers"]
        if container["name"] == "pool"
    )
    of_builds = _documents(ROOT / "containers/kubernetes/build.yaml")
    assert _command(pool) == _command(_containers(of_builds[1])["pool"])
    checked["spec"]["taskManager"]["replica"] = 4
    with pytest.raises(jsonschema.ValidationError, match="replica"):
        jsonschema.validate(checked, schema)


def test_flink_is_said_to_be_untried():
    assert (ROOT / "containers/kubernetes/flink.yaml").read_text().startswith("# NOT TRIED BY US.")


def test_services_select_the_pods_and_workers_are_as_many_as_are_asked_for():
    pools, deployment, name, job = _documents(ROOT / "containers/kubernetes/build.yaml")
    assert pools["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    assert name["spec"]["selector"].items() <= job["spec"]["template"]["metadata"]["labels"].items()
    pod = job["spec"]["template"]["spec"]
    assert pod["subdomain"] == name["metadata"]["name"]
    command = _command(_containers(job)["build"])
    assert f"--direct_num_workers={deployment['spec']['replicas']}" in command
    assert f"--environment_config={pools['metadata']['name']}:{pools['spec']['ports'][0]['port']}" in command
    meeting, training = _documents(ROOT / "containers/kubernetes/train.yaml")
    assert training["spec"]["template"]["spec"]["subdomain"] == meeting["metadata"]["name"]
    command = _command(_containers(training)["train"])
    assert f"--nnodes={training['spec']['completions']}" in command
    first = f"{training['metadata']['name']}-0.{meeting['metadata']['name']}"
    assert any(argument.startswith(f"--rdzv-endpoint={first}:") for argument in command)


@pytest.mark.beam
@pytest.mark.slow
def test_the_commands_of_the_manifest_build_the_release_of_a_local_build(tmp_path):
    """Two pools, the job service and the build run as containers would, on this machine; a relay is the service."""
    _, deployment, _, job = _documents(ROOT / "containers/kubernetes/build.yaml")
    pool, containers = _command(_containers(deployment)["pool"]), _containers(job)
    ports = [a_free_port(), a_free_port()]
    service, front = a_free_port(), a_free_port()
    with a_web(tmp_path) as base, ExitStack() as stack:
        version = build(str(a_web_corpus(tmp_path / "local", base)), workers=1).version
        for port in ports:
            command = _here(pool, {"=50000": f"={port}"})
            stack.enter_context(running(command, port, tmp_path / f"pool-{port}.log"))
        stack.enter_context(a_relay(front, [f"127.0.0.1:{port}" for port in ports], tmp_path / "relay.log"))
        command = _here(_command(containers["job-service"]), {"8073": str(service)})
        stack.enter_context(running(command, service, tmp_path / "service.log"))
        config = str(a_web_corpus(tmp_path / "there", base))
        places = {
            "8073": str(service),
            "byline-workers:50000": f"localhost:{front}",
            "/config/corpus.toml": str(config),
        }
        done = subprocess.run(_here(_command(containers["build"]), places), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith(version)


def _here(command, places):
    """Return a command of a container as it runs here: with other ports and places, by the Python of the tests."""
    for before, after in places.items():
        command = [argument.replace(before, after) for argument in command]
    programs = {"python": [sys.executable], "byline": [sys.executable, "-m", "byline.cli.main"]}
    return [*programs.get(command[0], [str(BIN / command[0])]), *command[1:]]


@pytest.fixture
def a_run(tmp_path):
    """Write the config of a run of an autoencoder of few weights, and give it and the folder of the run."""
    config = an_autoencoder_run(a_release(tmp_path / "corpus"), tmp_path / "run")
    return write_toml(tmp_path / "run.toml", config), tmp_path / "run"


@pytest.mark.slow
def test_the_command_of_the_training_job_trains(a_run):
    config, folder = a_run
    _, job = _documents(ROOT / "containers/kubernetes/train.yaml")
    endpoint = f"localhost:{a_free_port()}"
    places = {
        "--nnodes=2": "--nnodes=1",
        "--nproc-per-node=8": "--nproc-per-node=1",
        "byline-train-0.byline-train:29500": endpoint,
        "/config/run.toml": str(config),
    }
    done = subprocess.run(_here(_command(_containers(job)["train"]), places), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert open_checkpoint(folder)[1].images_seen == 24


@pytest.mark.slow
def test_the_slurm_script_trains_with_a_srun_of_one_node(a_run, tmp_path):
    config, folder = a_run
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in {"scontrol": "echo localhost", "srun": 'exec "$@"'}.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "BIN": str(BIN),
        "PORT": str(a_free_port()),
        "SLURM_JOB_NODELIST": "localhost",
        "SLURM_NNODES": "1",
        "SLURM_GPUS_ON_NODE": "1",
        "SLURM_JOB_ID": "7",
    }
    command = ["sh", ROOT / "runs/slurm.sbatch", config]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert open_checkpoint(folder)[1].images_seen == 24


SLURM = """
ClusterName=none
SlurmctldHost=localhost
AuthType=auth/none
CredType=cred/none
GresTypes=gpu
MessageTimeout=1
NodeName=localhost
PartitionName=all Nodes=ALL Default=YES
"""
"""A cluster that nobody runs: sbatch reads the options of a script before it asks for the controller."""


@pytest.mark.skipif(shutil.which("sbatch") is None, reason="no sbatch reads its options: apt-get install slurm-client")
@pytest.mark.parametrize(
    ("before", "after", "answer"),
    [
        ("", "", "Unable to contact slurm controller"),
        ("--nodes=2", "--nodez=2", "unrecognized option '--nodez=2'"),
        ("--nodes=2", "--nodes=two", '"two" is not a valid node count'),
    ],
)
def test_sbatch_reads_the_options_of_the_slurm_script(tmp_path, before, after, answer):
    (tmp_path / "slurm.conf").write_text(SLURM)
    script = tmp_path / "script"
    script.write_text((ROOT / "runs/slurm.sbatch").read_text().replace(before, after))
    command = ["sbatch", "--test-only", script, "run.toml"]
    environment = {**os.environ, "SLURM_CONF": str(tmp_path / "slurm.conf")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert answer in done.stderr


def test_shell_scripts_are_clean_and_all_of_them_are_looked_at():
    line = re.search(r"grep .*'", (ROOT / "scripts/lint").read_text())[0]
    command = f"{line} .ci/* containers/* runs/* scripts/*"
    listed = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True).stdout.split()
    folders = (".ci", "containers", "runs", "scripts")
    files = [path for folder in folders for path in (ROOT / folder).iterdir() if path.is_file()]
    scripts = {str(path.relative_to(ROOT)) for path in files if path.read_text(errors="replace").startswith("#!/bin/")}
    assert set(listed) == scripts
    done = subprocess.run([BIN / "shellcheck", *listed], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
