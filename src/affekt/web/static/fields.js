// Written by `python -m affekt.web.fields` from affekt.results: do not change it here.

/** Outputs of a graph that are one number for each window. */
export const OUTPUTS = ["intensity", "valence", "arousal", "dominance"];

/** What an answer may say beside the emotion. */
export const EXTRAS = {"intensity": {"digits": 6, "shown": ".0%"}, "valence": {"digits": 6, "shown": "+.2f"}, "arousal": {"digits": 6, "shown": "+.2f"}, "dominance": {"digits": 6, "shown": "+.2f"}, "dimensions": {"digits": 6, "shown": ""}};

/** Fields of an answer from -1 to 1. */
export const DIMENSIONS = ["valence", "arousal", "dominance"];

/** The same of each emotion, from the literature named in affekt.labels. */
export const NORMS = {"angry": [-0.51, 0.59, 0.25], "boredom": [-0.65, -0.62, -0.33], "calm": [0.47, -0.83, 0.61], "disgust": [-0.6, 0.35, 0.11], "fearful": [-0.64, 0.6, -0.43], "happy": [0.81, 0.51, 0.46], "neutral": [0.0, 0.0, 0.0], "sad": [-0.63, -0.27, -0.33], "surprised": [0.4, 0.67, -0.13]};

/** Decimal places of what tables tell of a recording as input. */
export const MEASURES = {"rms_dbfs": 2, "peak_dbfs": 2, "clipped_fraction": 6, "snr_db": 2, "bandwidth_hz": 0, "held_tones": 4, "damaged_packets": 6, "ood_score": 4};
