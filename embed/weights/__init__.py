"""Encoders that come ready made: weights, and beside each what made it. `python -m embed.weights` makes them again."""
