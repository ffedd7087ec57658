"""How a model is fitted: data order, ranks, loop, EMA, checkpoints. Meets pipelines at the release on disk."""
