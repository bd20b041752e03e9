"""6. Stages: one loop, freezing, checkpoints."""
