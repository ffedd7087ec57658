"""A release as one folder that needs nothing beside it: to hand on, to upload, to train on elsewhere."""
