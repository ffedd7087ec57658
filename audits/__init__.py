"""How safe a model is: one question a file."""
