"""Wiring and running: imports everything, is imported by nothing."""
