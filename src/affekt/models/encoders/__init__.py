"""One architecture per file; each registers itself."""
