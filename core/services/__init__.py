"""The use cases: they join plugins, pipeline and database, and know neither web, queue nor terminal."""
