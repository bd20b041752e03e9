"""Work on several machines, with Ray. Nothing below this package knows of it."""
