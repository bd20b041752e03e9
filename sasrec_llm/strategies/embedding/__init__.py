"""Item texts as vectors, and the strategies made of them."""
