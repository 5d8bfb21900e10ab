"""Data sources: what they share, and one package for each vendor."""
