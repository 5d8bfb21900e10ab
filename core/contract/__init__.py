"""What a plugin may import of the host: hooks, types and errors."""
