"""A finished run, put to use: asked about people and items, and handed on as one folder."""
