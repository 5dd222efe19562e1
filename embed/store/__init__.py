"""What jobs do with encoders in a store: train, run, index, compare; and what a store says of them."""
