"""8. Metrics to tables."""
