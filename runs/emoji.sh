#!/bin/sh
# A longer run than the demo's, on the demo's release (make demo builds it): an hour or two on two cores. Stopped at any
# moment, the same command goes on from the last checkpoint.
set -eu
BIN="${BIN:-.venv/bin}"
mkdir -p docs/images
"$BIN/byline" train configs/training/emoji.toml
"$BIN/byline" sample demo/emoji --seed 1 --out docs/images/emoji-grid.png \
    --prompt "flag: Japan" --prompt "flag: France" --prompt "flag: Sweden" --prompt "flag: Nigeria" \
    --prompt "red heart" --prompt "green heart" --prompt "blue circle" --prompt "yellow circle" \
    --prompt "orange square" --prompt "purple square" --prompt "sun" --prompt "full moon" \
    --prompt "smiling face" --prompt "crying face" --prompt "cat face" --prompt "tree" \
    --prompt "red apple" --prompt "house" --prompt "three o’clock" --prompt "castle by the sea"
"$BIN/byline" runs demo/emoji --out docs/images/emoji-loss.svg
