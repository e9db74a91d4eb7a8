"""Training a network: the loop and what it is built from."""
