"""What ranks of the tests need, imported once in the process that they are forked from."""

import os

os.environ.setdefault("DS_ACCELERATOR", "cpu")
os.environ["OMP_NUM_THREADS"] = "1"

import deepspeed
import diffusers  # noqa: F401

import byline.training.loop  # noqa: F401

deepspeed.ops.__compatible_ops__ = {}
