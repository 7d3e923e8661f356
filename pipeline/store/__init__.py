"""The metadata store: which one, and what is asked of it and written into it."""
