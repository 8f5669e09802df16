"""Dispatchers under fire: whether each owner is messaged exactly once while everything around them is killed."""
