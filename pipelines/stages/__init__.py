"""One file a stage: its pure function and its PTransform. `pipelines/graph.py` lists them in order."""
