"""One module per target of ``affekt export --to``."""
