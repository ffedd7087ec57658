"""Speed, measured: each file compares us with a peer in one run and writes its section of RESULTS.md.

torch is set up as `byline train` does it, for peers too (`set_up_torch`).
"""

from byline.training.launching import set_up_torch

set_up_torch()
