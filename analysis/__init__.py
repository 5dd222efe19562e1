"""Science on top of SQL: the three studies."""
