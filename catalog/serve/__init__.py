"""`python -m catalog browse`: a store as a page in the browser. Bound to this machine, read-only, bounded in time."""
