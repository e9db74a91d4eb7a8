// Written by `python -m affekt.web.fields` from affekt.results: do not change it here.

/** Level and faults of a recording; levels are relative to full scale (1.0). */
export interface Quality {
  /** Length of the recording. In seconds. */
  duration: number;
  /** Root mean square; a full-scale sine has -3.01. In dB. */
  rms_dbfs: number;
  /** Largest magnitude; above 0 where samples overshoot full scale. In dB. */
  peak_dbfs: number;
  /** Share of the samples at or beyond full scale. */
  clipped_fraction: number;
  /** Whether the peak is too low for any speech. */
  silent: boolean;
  /** Sound above the steady noise under it; unknown if it is short. In dB. */
  snr_db?: number;
  /** Highest frequency of the sound; unknown in silence. In Hz. */
  bandwidth_hz?: number;
  /** Share of the sound in tones that hold their pitch, as in music; unknown in silence and where it is too short. */
  held_tones?: number;
  /** Packets of the file that could not be decoded, and were left out. */
  damaged_packets?: number;
}

/** The answer for one whole recording. */
export interface Prediction {
  /** The most probable emotion; 'uncertain' where none is probable enough. */
  label: string;
  /** Calibrated probability of the label; of the most probable one if it is uncertain. */
  confidence: number;
  /** Probability of every emotion, in the order of the model; they sum to 1. */
  scores: Record<string, number>;
  /** How strongly the emotion is shown, from 0 (faint) to 1 (strong). */
  intensity?: number;
  /** From unpleasant (-1) to pleasant (1). */
  valence?: number;
  /** From calm (-1) to excited (1). */
  arousal?: number;
  /** From powerless (-1) to in control (1). */
  dominance?: number;
  /** Where valence, arousal and dominance come from: 'trained', or 'derived' from the scores by published norms. */
  dimensions: string;
  /** How unlike speech of the training data the sound is; above 1, a warning. */
  ood_score?: number;
  /** What makes the answer less sure. */
  warnings: string[];
  /** Length of the recording. In seconds. */
  duration: number;
  /** Level, clipping, noise and bandwidth of the recording. */
  quality?: Quality;
  /** Share of each modality (voice, face, text) in the answer, below 0 where it speaks against it; the magnitudes sum to 1. Unknown where the voice alone was asked. */
  modalities?: Record<string, number>;
  /** The emotions that are probable enough for the true one to be among them in about nine of ten recordings, the most probable first; unknown where that was not measured. */
  likely?: string[];
}

/** The answer for one window, assigned to the hop in its middle. */
export interface Measurement {
  /** Beginning, from that of the recording. In seconds. */
  start: number;
  /** End, from the beginning of the recording. In seconds. */
  end: number;
  /** The most probable emotion; 'uncertain' where none is probable enough. */
  label: string;
  /** Calibrated probability of the label; of the most probable one if it is uncertain. */
  confidence: number;
  /** Probability of every emotion, in the order of the model; they sum to 1. */
  scores: Record<string, number>;
  /** How strongly the emotion is shown, from 0 (faint) to 1 (strong). */
  intensity?: number;
  /** From unpleasant (-1) to pleasant (1). */
  valence?: number;
  /** From calm (-1) to excited (1). */
  arousal?: number;
  /** From powerless (-1) to in control (1). */
  dominance?: number;
  /** Where valence, arousal and dominance come from: 'trained', or 'derived' from the scores by published norms. */
  dimensions: string;
  /** How unlike speech of the training data the sound is; above 1, a warning. */
  ood_score?: number;
  /** What makes the answer less sure. */
  warnings: string[];
  /** Share of the hop in which somebody speaks; unknown without a detector. */
  speech?: number;
  /** Whether it is about all of the last seconds, before the first whole window, and has no part in a segment. */
  provisional: boolean;
}

/** A stretch of a recording under one label; its numbers are means over its windows. */
export interface Segment {
  /** Beginning, from that of the recording. In seconds. */
  start: number;
  /** End, from the beginning of the recording. In seconds. */
  end: number;
  /** The most probable emotion; 'uncertain' where none is probable enough. */
  label: string;
  /** Calibrated probability of the label; of the most probable one if it is uncertain. */
  confidence: number;
  /** Probability of every emotion, in the order of the model; they sum to 1. */
  scores: Record<string, number>;
  /** How strongly the emotion is shown, from 0 (faint) to 1 (strong). */
  intensity?: number;
  /** From unpleasant (-1) to pleasant (1). */
  valence?: number;
  /** From calm (-1) to excited (1). */
  arousal?: number;
  /** From powerless (-1) to in control (1). */
  dominance?: number;
  /** Where valence, arousal and dominance come from: 'trained', or 'derived' from the scores by published norms. */
  dimensions: string;
  /** How unlike speech of the training data the sound is; above 1, a warning. */
  ood_score?: number;
  /** What makes the answer less sure. */
  warnings: string[];
  /** Who speaks; empty where unknown. */
  speaker: string;
}
