"""Outside world -> Arrow -> catalog: readers for what Chandra users have on disk, and the refresh that runs them."""
