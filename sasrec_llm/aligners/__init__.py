"""3. Encoder space to LLM space."""
