"""Pusher: versions appear whole, by one rename."""
