"""Arrow to vectors: inputs, encoders, training, and the jobs that keep a store's vectors up to date."""
