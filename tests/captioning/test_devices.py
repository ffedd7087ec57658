import subprocess
import sys
from pathlib import Path

from byline.captioning.devices import held

HOLD = """
import sys
from pathlib import Path
from byline.captioning.devices import held
folder = Path(sys.argv[1])
with held(["cuda:0", "cuda:1"], folder) as name:
    print(name, flush=True)
    sys.stdin.read()
"""


def a_holder(folder: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", HOLD, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_each_gpu_has_one_holder_and_goes_to_who_waits_when_that_one_is_killed(tmp_path):
    holders = [a_holder(tmp_path) for _ in range(2)]
    names = [holder.stdout.readline().strip() for holder in holders]
    assert sorted(names) == ["cuda:0", "cuda:1"]
    holders[0].kill()
    with held(["cuda:0", "cuda:1"], tmp_path) as name:
        assert name == names[0]
    for holder in holders:
        holder.kill()
        holder.communicate()


def test_a_gpu_is_free_again_when_its_holder_is_done(tmp_path):
    with held(["cuda:0"], tmp_path) as one:
        pass
    with held(["cuda:0"], tmp_path) as other:
        assert one == other
