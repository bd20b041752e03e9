"""Titles written by a language model, held to those of the catalogue."""
