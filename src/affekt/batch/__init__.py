"""Work on many files: on several cores, and so that a killed run loses nothing.

processes   each file in a process that does nothing else
journal     what is finished, kept on disk while the rest is done
"""

from __future__ import annotations
