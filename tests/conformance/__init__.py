"""Checks against the reference and against other implementations."""
