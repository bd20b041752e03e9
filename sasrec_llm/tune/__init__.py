"""Search: trials of a recipe with other values, judged on validation."""
