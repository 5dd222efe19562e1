"""One HTML report of what a store holds and what the studies found in it: opens from disk, needs no network."""
