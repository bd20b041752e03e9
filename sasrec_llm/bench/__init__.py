"""How fast a recipe is on this machine: each of its hot paths for a few seconds."""
