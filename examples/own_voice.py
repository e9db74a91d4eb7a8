"""Learn a voice from recordings without labels, and answer with it and without.

python examples/own_voice.py new.wav my-voice/*.wav
"""

from __future__ import annotations

import sys
from pathlib import Path

import affekt

RECORDINGS = Path(__file__).parent / "recordings"

# Without arguments: two recordings of one man. Eight or more, in whatever mood, are better.
own = sorted(RECORDINGS.glob("english-man-*.wav"))
new, *voice = sys.argv[1:] if len(sys.argv) > 2 else [own[0], *own]
kept = Path("my-voice.json")

model = affekt.load_model("base")
baseline = model.baseline(voice)
if kept.exists():  # what is known from earlier days
    baseline = affekt.Baseline.load(kept).merged(baseline)
baseline.save(kept)  # statistics, no sound; to be forgotten, delete the file

plain, mine = model.predict(new), model.predict(new, baseline=baseline)
print(f"a voice of {baseline.count} recordings")
for label in model.labels:
    print(f"{label:10} {plain.scores[label]:5.1%}  with the baseline {mine.scores[label]:5.1%}")
