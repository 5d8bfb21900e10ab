"""Generated workspace data: every record is a function of the seed and its number."""
