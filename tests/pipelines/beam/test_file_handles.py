import subprocess
import sys

import pytest

SCRIPT = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from byline.pipelines.beam.file_handles import allow_files
allow_files()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "said"),
    [
        (64, 128, "128"),
        (20, 64, "64"),
        (30, 30, "30 files may be open at once, and a build needs 40"),
    ],
)
def test_a_build_may_open_as_many_files_as_it_can_be_given_or_says_so(soft, hard, said):
    script = SCRIPT.format(soft=soft, hard=hard)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert said in done.stdout + done.stderr
