"""Finished runs together."""
