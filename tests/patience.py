"""How long tests wait for what another process does.

They wait for events, never for time to pass. The limit is far beyond what a busy machine takes:
only what hangs gets there.
"""

PATIENCE = 900  # seconds
