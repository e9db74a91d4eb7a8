"""Write results: one file per output format.

The text formats share one interface, ``lines(tracks, labels) -> Iterator[str]``, and write a
line as soon as its recording is done. ``html`` and ``png`` draw a picture of all of them.
"""
