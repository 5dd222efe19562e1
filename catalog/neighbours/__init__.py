"""Exact neighbours: the nearest rows of a target, and all pairs that are similar enough. Pure functions of arrays."""
