"""2. Histories to vectors and scores."""
