"""Servers that Mainstem runs itself."""
