"""Decode strangers' recordings where they can do no harm: in processes that may be killed.

    server process                           decoder process
    pool, process -- wire: work, bytes -->   child, behind what `cage` forbids
                  <- wire: clip, error --

A decoder process has limits on its memory and time, can open no file and no connection, start no
process and holds no key. One that takes too long or dies is killed and replaced.
"""

from __future__ import annotations

from affekt.server.decoding.pool import DecoderPool
from affekt.server.decoding.process import DecodingStream

__all__ = ["DecoderPool", "DecodingStream"]
