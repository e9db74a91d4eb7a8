"""Decode strangers' recordings where they can do no harm: in processes that may be killed.

    server process                          decoder process
    pool    --- wire: request, bytes --->   child: limits on memory, CPU, files
            <-- wire: clip or error ----

A decoder process has a limit on its memory, can open no file and no connection, holds no key,
and is killed and replaced when it takes too long or dies.
"""

from __future__ import annotations

from affekt.server.decoding.pool import DecoderPool, DecodingStream

__all__ = ["DecoderPool", "DecodingStream"]
