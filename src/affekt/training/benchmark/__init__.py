"""Systems measured on the folds of a protocol."""
