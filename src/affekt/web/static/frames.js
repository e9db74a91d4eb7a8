// Streaming through the encoder: each block of sound is encoded once, however many windows it lies in.
//
// `encoder.onnx` turns samples and a state into frame embeddings and the next state; `head.onnx`
// turns the pooled embedding of a window into probabilities. As in affekt's Python, windows are
// pooled by running sums, so that a long one costs what a short one does.

import { joinSamples } from "./samples.js";

const VARIANCE_FLOOR = 1e-5; // added to the variance before its root, as the network does
const BLOCK = 0.25; // seconds that the encoder takes at once
const STALE = 2048; // rows that are forgotten at once

/** Answers for windows of one stream of a model that can stream. */
export class FrameScorer {
  #encoder;
  #head;
  #facts;
  #block; // samples
  #state;
  #rest = new Float32Array(0);
  #heard = 0; // samples that were pushed
  #sums = null;

  /**
   * @param {{encoder: Graph, head: Graph, facts: object, sampleRate: number}} streaming the two
   *   graphs, and `streaming` of the model's configuration
   */
  constructor({ encoder, head, facts, sampleRate }) {
    this.#encoder = encoder;
    this.#head = head;
    this.#facts = facts;
    /** Samples that one frame advances. */
    this.step = facts.step;
    this.#block = Math.max(1, Math.round((BLOCK * sampleRate) / facts.step)) * facts.step;
    this.#state = new Float32Array(facts.state_size);
  }

  /** Steps from the beginning that can be scored. */
  get known() {
    return this.#sums?.frames ?? 0;
  }

  async push(samples) {
    this.#heard += samples.length;
    this.#rest = joinSamples(this.#rest, samples);
    const whole = Math.floor(this.#rest.length / this.#block) * this.#block;
    if (whole === 0) return;
    const start = this.#heard - this.#rest.length;
    const ready = this.#rest.slice(0, whole);
    this.#rest = this.#rest.slice(whole);
    await this.#encode(ready, start);
  }

  /** Know that no more samples come: what is left, then silence as far as the encoder looks ahead. */
  async finish() {
    const start = this.#heard - this.#rest.length;
    const steps = Math.floor(this.#rest.length / this.step) + 1 + this.#facts.delay;
    const last = new Float32Array(steps * this.step);
    last.set(this.#rest);
    this.#rest = new Float32Array(0);
    await this.#encode(last, start);
  }

  /** Outputs for the window from step `first` up to `last`, or to the end of the recording. */
  async score(first, last, atEnd) {
    const embedding = this.#sums.pool(first, atEnd ? this.known : last);
    const answer = await this.#head.run({ embedding: [embedding, [1, embedding.length]] });
    return { ...answer, embedding };
  }

  forget(first) {
    this.#sums?.forget(first);
  }

  async #encode(samples, start) {
    const { step, stride, state_size: size } = this.#facts;
    const steps = samples.length / step;
    const hop = step / stride;
    const valid = Float32Array.from({ length: steps * stride }, (_, i) =>
      start + i * hop <= this.#heard ? 1 : 0,
    );
    const { frames, mask, next_state: state } = await this.#encoder.run({
      samples: [samples, [1, steps, step]],
      valid: [valid, [1, steps, stride]],
      state: [this.#state, [1, size]],
    });
    this.#state = state;
    const channels = frames.length / steps;
    this.#sums ??= new RunningSums(channels);
    for (let i = 0; i < steps; i++) {
      if (mask[i] > 0) this.#sums.add(frames.subarray(i * channels, (i + 1) * channels), mask[i]);
    }
  }
}

/** Weighted sums of frames and of their squares from the beginning up to each frame. */
class RunningSums {
  #channels;
  #rows;
  #first = 0; // frame of the first row

  constructor(channels) {
    this.#channels = channels;
    this.#rows = [new Float64Array(2 * channels + 1)]; // the last is the sum of weights
  }

  /** How many frames were added. */
  get frames() {
    return this.#first + this.#rows.length - 1;
  }

  add(frame, weight) {
    const next = Float64Array.from(this.#rows.at(-1));
    frame.forEach((value, i) => {
      next[i] += weight * value;
      next[this.#channels + i] += weight * value * value;
    });
    next[2 * this.#channels] += weight;
    this.#rows.push(next);
  }

  /** Weighted mean and standard deviation of the frames from `first` up to `last`. */
  pool(first, last) {
    const channels = this.#channels;
    const [from, to] = [this.#rows[first - this.#first], this.#rows[last - this.#first]];
    const weight = to[2 * channels] - from[2 * channels] || 1;
    const pooled = new Float32Array(2 * channels);
    for (let i = 0; i < channels; i++) {
      const mean = (to[i] - from[i]) / weight;
      const square = (to[channels + i] - from[channels + i]) / weight;
      pooled[i] = mean;
      pooled[channels + i] = Math.sqrt(Math.max(square - mean * mean, 0) + VARIANCE_FLOOR);
    }
    return pooled;
  }

  /** Drop what came before a frame, and begin the sums anew there, so that they stay small. */
  forget(first) {
    if (first - this.#first < STALE) return;
    this.#rows.splice(0, first - this.#first);
    this.#first = first;
    const base = Float64Array.from(this.#rows[0]);
    for (const row of this.#rows) row.forEach((value, i) => (row[i] = value - base[i]));
  }
}
