"""One question answered: what may run, its table functions and vectors, the result, and what is said of a mistake."""
