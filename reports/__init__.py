"""What is told of a release and of models together: the report, and which checkpoints have seen a picture."""
