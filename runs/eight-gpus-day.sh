#!/bin/sh
# A day on eight GPUs of one machine: says what it will need and cost on H100s (24 hours, 714 dollars), trains, and draws.
# Name your release and encoders in the config first. Stopped at any moment, the same command goes on.
set -eu
BIN="${BIN:-.venv/bin}"
CONFIG=configs/training/transformer-xl-512.toml
"$BIN/byline" train $CONFIG --dry-run --on "${ON:-h100}" --gpus 8
"$BIN/byline" train $CONFIG
"$BIN/byline" sample demo/transformer-xl-512 --device cuda --precision bf16 --out demo/transformer-xl-512.png \
    --prompt "a red boat on a lake" --prompt "a cat on a sofa" --prompt "a street at night in the rain" --prompt "a bowl of fruit"
