"""7. Scores to metrics."""
