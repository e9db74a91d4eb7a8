"""The search for good values of a recipe."""
