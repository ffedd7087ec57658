"""What a build or a run would need, looked at before it begins: this machine, a config. Loads what it looks at last."""
