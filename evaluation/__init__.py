"""How good a model is: one metric a file. Every number comes with its interval, its inputs and its command."""
