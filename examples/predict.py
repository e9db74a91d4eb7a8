"""Sort recordings by how sure the model is of one emotion, the surest first.

Usage: python examples/predict.py happy examples/recordings/*.wav
"""

from __future__ import annotations

import sys

import affekt


def main(emotion: str, files: list[str]) -> None:
    """Print the files that could be judged, with the probability of the emotion."""
    model = affekt.load_model()
    if emotion not in model.labels:
        sys.exit(f"error: unknown emotion {emotion!r}: expected one of {', '.join(model.labels)}")
    found = []
    for file, answer in zip(files, model.predict_each(files), strict=True):
        if isinstance(answer, affekt.AudioError):
            print(f"skipped: {answer}", file=sys.stderr)
        else:
            found.append((answer.scores[emotion], file))
    for probability, file in sorted(found, reverse=True):
        print(f"{probability:6.1%}  {file}")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
