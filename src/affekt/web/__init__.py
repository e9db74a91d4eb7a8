"""The page and the browser module, which the server serves and ``export --to web`` writes."""
