"""One file a stage: its pure function and its PTransform. `pipelines/beam/graph.py` lists them in order."""
