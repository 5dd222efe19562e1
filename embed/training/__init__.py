"""How encoders learn: the loop, which sources are held out, rows on disk in any order."""
