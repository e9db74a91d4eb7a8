// Emotion in speech, in the browser: the model that affekt's Python runs, with the same answers.
//
//   import { loadModel } from "./affekt.js";
//   const model = await loadModel("models/default/");
//   const { label, confidence, scores } = await model.predict(file);
//
// Nothing is sent anywhere: the model and the engine are fetched once, the sound stays here.

import { checked, decode, fromAudioBuffer, toMono } from "./audio.js";
import { Adaptation, Baseline, Head } from "./baseline.js";
import { oodScore, readDomain } from "./domain.js";
import { AffektError } from "./errors.js";
import { Graph, loadEngine } from "./engine.js";
import { withDimensions } from "./dimensions.js";
import { OUTPUTS } from "./fields.js";
import { FrameScorer } from "./frames.js";
import { meanOfParts, partsOf } from "./long.js";
import { known, measureQuality, warningsOf } from "./quality.js";
import { RerunScorer, Stream } from "./stream.js";

export { Baseline } from "./baseline.js";
export { AffektError } from "./errors.js";
export { decode, toMono } from "./audio.js";
export { Microphone } from "./microphone.js";
export { measureQuality } from "./quality.js";
export { Resampler, resample } from "./resample.js";
export { STREAM_OPTIONS, Stream } from "./stream.js";

const FORMAT_VERSION = 1;
const BLOCK = 10; // seconds of a recording that are processed at once

/**
 * Load a model directory of affekt.
 * @param {string | URL} url where `config.json` and `model.onnx` lie
 * @param {{runtime?: string | URL, headers?: Record<string, string>}} [options] where the files of
 *   onnxruntime-web lie (beside this module's folder, in `runtime/`, by default), and headers for
 *   the requests, such as a key
 * @returns {Promise<Model>}
 */
export async function loadModel(url, options = {}) {
  const base = new URL(String(url).replace(/\/?$/, "/"), document.baseURI);
  const headers = options.headers ?? {};
  const config = readConfig(await (await fetched(new URL("config.json", base), headers)).text());
  const engine = await loadEngine(options.runtime ?? new URL("../runtime/", import.meta.url));
  const open = async (file, optional = false) => {
    const response = await fetched(new URL(file, base), headers, optional);
    return response && Graph.open(engine, await response.arrayBuffer());
  };
  const graph = await open("model.onnx");
  const facts = config.streaming;
  const encoder = facts?.step ? await open("encoder.onnx", true) : null;
  const head = encoder && (await open("head.onnx", true));
  return new Model(config, graph, head && { encoder, head, facts }, await Head.read(config));
}

/** A speech emotion recogniser; made by {@link loadModel}. */
export class Model {
  #graph;
  #domain; // where embeddings of speech lie; null where nobody measured
  #streaming; // the graphs for streams; null where windows run through the whole model again
  #head; // the last layer in numbers, for baselines; null where the configuration has none
  #adaptation = null; // what is taken out of the answers

  constructor(config, graph, streaming = null, head = null) {
    /** What the model says about itself: the contents of `config.json`. */
    this.config = config;
    /** The emotions, in the order of the outputs. */
    this.labels = Object.keys(config.id2label)
      .sort((a, b) => a - b)
      .map((index) => config.id2label[index]);
    /** The rate it listens at, in Hz. */
    this.sampleRate = config.sample_rate;
    /** Probability below which a time line names no emotion. */
    this.threshold =
      config.calibration?.window_threshold ?? config.calibration?.threshold ?? 0;
    this.#graph = graph;
    this.#domain = readDomain(config);
    this.#streaming = streaming && { ...streaming, sampleRate: this.sampleRate };
    this.#head = head;
  }

  /**
   * Measure a voice, or a room, from recordings without labels.
   * @param {Iterable<Blob | ArrayBuffer | ArrayBufferView | AudioBuffer | Recording>} sources
   * @returns {Promise<Baseline>}
   */
  async baseline(sources) {
    const learning = new Adaptation(this.#head, this.config.name, null);
    for (const source of sources) {
      const recording = await toRecording(source);
      this.#refuse(measureQuality(recording));
      learning.learn(await this.run(toMono(recording, this.sampleRate)));
    }
    return learning.baseline;
  }

  /**
   * This model for the voice or the room of a baseline; it shares the graph.
   * @param {Baseline} baseline
   * @returns {Model}
   */
  withBaseline(baseline) {
    const own = new Model(this.config, this.#graph, this.#streaming, this.#head);
    own.#adaptation = new Adaptation(this.#head, this.config.name, baseline);
    return own;
  }

  /** What a stream takes out of its answers; its own where it learns, null where nothing. */
  adaptation(learn) {
    if (!learn) return this.#adaptation;
    return new Adaptation(this.#head, this.config.name, this.#adaptation?.baseline ?? null);
  }

  /**
   * Say which emotion one recording carries.
   * @param {Blob | ArrayBuffer | ArrayBufferView | AudioBuffer | Recording | Float32Array} source
   *   a file, what {@link decode} gave, or mono samples
   * @param {number} [sampleRate] of samples, in Hz: samples without their rate are refused
   * @returns {Promise<Prediction>}
   */
  async predict(source, sampleRate) {
    const recording = await toRecording(source, sampleRate);
    const quality = measureQuality(recording);
    this.#refuse(quality);
    const { duration } = quality;
    const heard = this.#adapted(await this.run(toMono(recording, this.sampleRate)));
    const score = this.#domain && oodScore(this.#domain, heard.embedding, duration);
    const warnings = warningsOf(quality, score);
    const answer = { ...this.named(heard), ood_score: score, warnings, duration, quality };
    answer.likely = this.#predictionSet(answer.scores);
    return { ...known(answer), embedding: heard.embedding };
  }

  /**
   * Probability of every emotion in mono samples at the model's rate.
   * @param {Float32Array} samples
   * @returns {Promise<Float32Array>} in the order of `labels`
   */
  async probabilities(samples) {
    return this.#adapted(await this.run(samples)).probabilities;
  }

  #adapted(outputs) {
    return this.#adaptation ? this.#adaptation.moved(outputs) : outputs;
  }

  /** What the graph says of mono samples, without a baseline: values by the name of the output. */
  async run(samples) {
    const parts = partsOf(samples, this.config);
    const outputs = [];
    for (const part of parts) {
      outputs.push(await this.#graph.run({ waveform: [part, [1, part.length]] }));
    }
    return parts.length === 1 ? outputs[0] : meanOfParts(outputs, parts);
  }

  /**
   * Return segments and measurements of one recording.
   * @param {Blob | ArrayBuffer | ArrayBufferView | AudioBuffer | Recording | Float32Array} source
   *   as above
   * @param {StreamOptions & {onProgress?: (done: number) => void}} [options] `sampleRate` of
   *   samples; `onProgress` gets the share that is done, from 0 to 1
   * @returns {Promise<{measurements: Measurement[], segments: Segment[]}>}
   */
  async timeline(source, { sampleRate, onProgress = () => {}, ...options } = {}) {
    const samples = toMono(await toRecording(source, sampleRate), this.sampleRate);
    const stream = this.stream(options);
    const found = { measurements: [], segments: [] };
    const piece = BLOCK * this.sampleRate;
    const collect = ({ measurements, segments }) => {
      found.measurements.push(...measurements);
      found.segments.push(...segments);
    };
    for (let at = 0; at < samples.length; at += piece) {
      collect(await stream.push(samples.slice(at, at + piece)));
      onProgress(Math.min(1, (at + piece) / samples.length));
    }
    collect(await stream.flush());
    return found;
  }

  /**
   * Listen to sound as it comes.
   * @param {StreamOptions} [options]
   * @returns {Stream}
   */
  stream(options = {}) {
    return new Stream(this, options);
  }

  /** Whether the encoder streams; else the graph runs on each window anew. */
  get streams() {
    return this.#streaming !== null;
  }

  /** What answers for the windows of one stream. */
  scorer(step) {
    return this.#streaming ? new FrameScorer(this.#streaming) : new RerunScorer(this, step);
  }

  /** Outputs of a graph as an answer: `{label, confidence, scores}`, and what else it says. */
  named({ probabilities, ...outputs }) {
    const scores = Object.fromEntries(this.labels.map((name, i) => [name, probabilities[i]]));
    const label = this.labels.reduce((a, b) => (scores[b] > scores[a] ? b : a));
    const extras = OUTPUTS.map((name) => [name, outputs[name]?.[0]]);
    return known(withDimensions(known({ label, confidence: scores[label], scores, ...Object.fromEntries(extras) })));
  }

  /** The emotions that are probable enough, and the first in any case; null where not measured. */
  #predictionSet(scores) {
    const least = this.config.calibration?.least_probability;
    if (least === undefined) return null;
    const ranked = Object.keys(scores).sort((a, b) => scores[b] - scores[a]);
    return ranked.filter((name, place) => place === 0 || scores[name] >= least);
  }

  #refuse({ duration, silent, peak_dbfs: peak }) {
    const shortest = this.config.minimum_duration ?? 0;
    if (duration < shortest) {
      throw new AffektError(
        `the recording is too short: ${duration.toPrecision(2)} s, the model needs ${shortest} s`,
      );
    }
    if (silent) {
      throw new AffektError(
        `the recording is silent (peak ${peak.toFixed(0)} dBFS): ` +
          "check the microphone and the file",
      );
    }
  }
}

/** Any source as `{channels, sampleRate}`. */
async function toRecording(source, sampleRate) {
  if (source?.channels) return checked(source);
  if (typeof AudioBuffer !== "undefined" && source instanceof AudioBuffer) {
    return checked(fromAudioBuffer(source));
  }
  if (!(source instanceof Float32Array)) return decode(source);
  if (sampleRate === undefined) {
    throw new AffektError("samples need their rate: predict(samples, sampleRate)");
  }
  return checked({ channels: [source], sampleRate });
}

function readConfig(text) {
  let config;
  try {
    config = JSON.parse(text);
  } catch {
    throw new AffektError("config.json of the model is damaged: export the model again");
  }
  if (!(config.format_version <= FORMAT_VERSION)) {
    throw new AffektError(
      `the model has format ${config.format_version}, this module reads ${FORMAT_VERSION}: ` +
        "update affekt",
    );
  }
  return config;
}

/** Fetch a file; null for an optional one that is not there. */
async function fetched(url, headers, optional = false) {
  let response;
  try {
    response = await fetch(url, { headers });
  } catch {
    throw new AffektError(`cannot reach ${url.href}: check the connection`);
  }
  if (optional && response.status === 404) return null;
  if (!response.ok) {
    throw new AffektError(`cannot load ${url.href}: the server answered ${response.status}`);
  }
  return response;
}
