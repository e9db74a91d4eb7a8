"""From clips to batches: splits, features, variants, targets and sampling."""
