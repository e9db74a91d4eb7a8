"""Serve models over HTTP and WebSocket; needs the extra ``serve``.

settings    what an operator may choose, and every limit
app         the ASGI application: routes, middleware, life cycle
run         the process: sockets, signals, a shutdown that finishes what runs
engine      models loaded once, a bounded queue, threads that run them
decoding    strangers' files are decoded in processes that may be killed
uploads     a multipart body, read in memory under limits
session     one WebSocket session: sound in, events out
keys        who may ask, and how often
guard       middleware: request ids, logs, headers, hosts and origins
routes/     one file per group of addresses
static/     the page
"""
