"""The build on Apache Beam: the only room that knows it."""
