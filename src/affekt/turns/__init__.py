"""Who speaks when: turns of speakers and sentences of transcripts, read from files."""

from affekt.turns.speakers import Speakers, read_speakers
from affekt.turns.transcript import Transcript, read_transcript, with_speakers
from affekt.turns.turn import Turn, joined_turns, seconds_of_overlap

__all__ = [
    "Speakers",
    "Transcript",
    "Turn",
    "joined_turns",
    "read_speakers",
    "read_transcript",
    "seconds_of_overlap",
    "with_speakers",
]
