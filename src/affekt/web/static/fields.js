// Written by `python -m affekt.web.fields` from affekt.results: do not change it here.

/** Outputs of a graph that are one number for each window. */
export const OUTPUTS = ["intensity"];

/** What an answer may say beside the emotion. */
export const EXTRAS = {"intensity": {"digits": 6, "shown": ".0%"}};

/** Decimal places of what tables tell of a recording as input. */
export const MEASURES = {"rms_dbfs": 2, "peak_dbfs": 2, "clipped_fraction": 6, "snr_db": 2, "bandwidth_hz": 0, "held_tones": 4, "damaged_packets": 6, "ood_score": 4};
