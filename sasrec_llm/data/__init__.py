"""1. Raw files to Parquet, Parquet to arrays, arrays to batches."""
