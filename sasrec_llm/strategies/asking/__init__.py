"""Yes/no questions and ratings: prompts, their slots, and the strategies that ask."""
