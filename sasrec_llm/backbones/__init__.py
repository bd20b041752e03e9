"""4. The language model."""
