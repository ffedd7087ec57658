#!/bin/sh
# A night on one GPU: says what it will need and cost on an H100 (12 hours, 46 dollars), trains, and draws. Name your
# release and encoders in the config first. Stopped at any moment, the same command goes on from the last checkpoint.
set -eu
BIN="${BIN:-.venv/bin}"
CONFIG=configs/training/transformer-b-256.toml
"$BIN/byline" train $CONFIG --dry-run --on "${ON:-h100}" --gpus 1
"$BIN/byline" train $CONFIG
"$BIN/byline" sample demo/transformer-b-256 --device cuda --precision bf16 --out demo/transformer-b-256.png \
    --prompt "a red boat on a lake" --prompt "a cat on a sofa" --prompt "a street at night in the rain" --prompt "a bowl of fruit"
