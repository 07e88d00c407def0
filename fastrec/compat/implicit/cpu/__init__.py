"""`implicit.cpu`: the models."""
