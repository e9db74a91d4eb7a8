"""What one experiment differs in: the recipe and its file."""
