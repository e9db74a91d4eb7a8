import type { Measurement, Prediction as Answer, Quality, Segment } from "./fields.d.ts";

export type { Measurement, Quality, Segment };

/** The answer for one whole recording. */
export interface Prediction extends Answer {
  /** The pooled representation. */
  embedding: Float32Array;
}

export interface Heard {
  /** The windows that became known. */
  measurements: Measurement[];
  /** The segments that became final. */
  segments: Segment[];
}

export interface StreamOptions {
  /** Seconds that one answer is about; 3 by default. */
  window?: number;
  /** Seconds from one answer to the next; by default 0.5, and 1 for models that do not stream. */
  hop?: number;
  /** Seconds around each answer that are averaged before it is labelled; 0 by default. */
  smoothing?: number;
  /** Seconds; a shorter stretch joins the one before it; 1 by default. */
  minDuration?: number;
  /** Seconds; a pause up to this long does not end a segment; 1 by default. */
  maxPause?: number;
  /** Probability below which no emotion is named; the model's by default. */
  threshold?: number;
  /** Rate of the samples that are pushed, in Hz; the model's by default. */
  sampleRate?: number;
  /** Learn the voice from the sound: the baseline, or an empty one, grows as it comes. */
  learn?: boolean;
}

export interface Recording {
  channels: Float32Array[];
  /** In Hz. */
  sampleRate: number;
}

/** A file as the browser has it, what `decode` gave, or mono samples (then with their rate). */
export type Source = Blob | ArrayBuffer | Uint8Array | AudioBuffer | Recording | Float32Array;

/** What was wrong, where, and what to do, in one line that may be shown to a person. */
export class AffektError extends Error {}

/** The mean embedding of recordings of one voice, or of one room; statistics, no sound. */
export class Baseline {
  private constructor();
  /** Name of the model that it was built with, and the fingerprint of its head. */
  readonly model: string;
  readonly head: string;
  readonly mean: Float64Array;
  /** Recordings. */
  readonly count: number;
  /** Read what `affekt baseline` or `JSON.stringify` wrote: its text, or the object in it. */
  static from(source: string | object): Baseline;
  /** The baseline of the recordings of both. */
  merged(other: Baseline): Baseline;
  toJSON(): object;
}

/**
 * Load a model directory of affekt.
 * @param url where `config.json` and `model.onnx` lie
 * @param options.runtime where the files of onnxruntime-web lie; `../runtime/` from this module
 *   by default
 * @param options.headers for the requests, such as a key
 * @throws AffektError
 */
export function loadModel(
  url: string | URL,
  options?: { runtime?: string | URL; headers?: Record<string, string> },
): Promise<Model>;

/** A speech emotion recogniser; made by `loadModel`. */
export class Model {
  private constructor();
  /** What the model says about itself: the contents of `config.json`. */
  readonly config: Record<string, unknown>;
  /** The emotions, in the order of the outputs. */
  readonly labels: string[];
  /** The rate it listens at, in Hz. */
  readonly sampleRate: number;
  /** Probability below which a time line names no emotion. */
  readonly threshold: number;
  /** Say which emotion one recording carries; samples come with their rate, in Hz. */
  predict(samples: Float32Array, sampleRate: number): Promise<Prediction>;
  predict(source: Exclude<Source, Float32Array>): Promise<Prediction>;
  /** Return segments and measurements; `onProgress` gets the share that is done. */
  timeline(
    source: Source,
    options?: StreamOptions & { onProgress?: (done: number) => void },
  ): Promise<Heard>;
  /** Measure a voice, or a room, from recordings without labels. */
  baseline(sources: Iterable<Exclude<Source, Float32Array>>): Promise<Baseline>;
  /** This model for the voice or the room of a baseline; it shares the graph. */
  withBaseline(baseline: Baseline): Model;
  /** Listen to sound as it comes. */
  stream(options?: StreamOptions): Stream;
  /** Probability of every emotion in mono samples at the model's rate, in the order of `labels`. */
  probabilities(samples: Float32Array): Promise<Float32Array>;
}

/** Defaults; a `hop` of null depends on the model. */
export const STREAM_OPTIONS: Readonly<
  Required<Omit<StreamOptions, "sampleRate" | "hop" | "learn">> & { hop: number | null }
>;

/** One voice, or one recording, as it comes; made by `model.stream()`. */
export class Stream {
  private constructor();
  readonly options: Required<Omit<StreamOptions, "learn">>;
  /** The baseline that is taken out now, with what was learnt; null without one. */
  readonly baseline: Baseline | null;
  /** Seconds that were pushed. */
  readonly duration: number;
  /** The segment that is not final yet, as it stands. */
  readonly open: Segment | null;
  /** Push mono samples, any number of them. */
  push(samples: Float32Array): Promise<Heard>;
  /** End the stream: the rest, and the segments that were still open. */
  flush(): Promise<Heard>;
}

/** The microphone as mono samples at a rate of your choice. */
export class Microphone {
  /** Ask for the microphone and begin to listen; pieces come about 20 times a second. */
  start(
    onSamples: (samples: Float32Array) => void,
    options?: { sampleRate?: number; onEnd?: () => void },
  ): Promise<void>;
  /** Stop listening and give the microphone back. */
  stop(): Promise<void>;
}

/** Decode a file as it is: all channels, its own rate. */
export function decode(source: Blob | ArrayBuffer | Uint8Array): Promise<Recording>;
/** Mix channels by their mean and change the rate. */
export function toMono(recording: Recording, sampleRate: number): Float32Array;
/** Measure level, clipping, silence, noise, bandwidth and tones. */
export function measureQuality(recording: Recording): Quality;

/** Change the sample rate of a whole recording. */
export function resample(samples: Float32Array, from: number, to: number): Float32Array;

/** A stream of samples at one rate becomes the same stream at another. */
export class Resampler {
  constructor(from: number, to: number);
  push(samples: Float32Array): Float32Array;
  flush(): Float32Array;
}
