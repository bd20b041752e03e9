"""5. How the parts meet."""
