// Baselines: the mean embedding of some recordings of one voice, taken out of each further one.
// The numbers and the file are those of affekt's Python (affekt.adapt, affekt.runtime.head).

import { AffektError } from "./errors.js";

const FORMAT_VERSION = 1;
const PRIOR_CLIPS = 8; // recordings that the mean of the training data weighs as much as
const UNCERTAIN = 3; // squared errors of a mean below which it says nothing of a voice
const LARGEST = 1e6; // of a mean
const MOOD_LOGITS = 3; // by how much an emotion raises its own logit, about
const SMALLEST_DISTANCE = 0.1; // mean square of an embedding below which logits are divided by no less
const SMALLEST_PROBABILITY = 1e-12;
const DIGITS = 7;

/** The mean embedding of recordings of one voice, or of one room; statistics, no sound. */
export class Baseline {
  /** @param {{model: string, head: string, mean: Float64Array, meanSquare: number, count: number}} values */
  constructor({ model, head, mean, meanSquare, count }) {
    this.model = model;
    this.head = head;
    this.mean = mean;
    this.meanSquare = meanSquare;
    this.count = count;
  }

  /**
   * Read what `affekt baseline` or `JSON.stringify(baseline)` wrote.
   * @param {string | object} source its text, or the object in it
   */
  static from(source) {
    let values;
    try {
      values = (typeof source === "string" ? JSON.parse(source) : source).affekt_baseline;
    } catch {
      values = null;
    }
    if (typeof values !== "object" || values === null || values.format_version === undefined) {
      throw new AffektError("the baseline is none of affekt, or damaged: build it again");
    }
    if (values.format_version > FORMAT_VERSION) {
      throw new AffektError("the baseline's format is newer than this module reads: update affekt");
    }
    const { model, head, mean, mean_square: meanSquare, count } = values;
    const fits = (x, most) => typeof x === "number" && Math.abs(x) <= most;
    const sound =
      [model, head].every((name) => typeof name === "string") &&
      Array.isArray(mean) &&
      mean.length > 0 &&
      mean.every((x) => fits(x, LARGEST)) &&
      fits(meanSquare, Number.MAX_VALUE) &&
      meanSquare >= 0 &&
      Number.isSafeInteger(count) &&
      count >= 0;
    if (!sound) throw new AffektError("the baseline holds impossible numbers: build it again");
    if (count === 0) throw new AffektError("the baseline is of no recordings: build it from some");
    return new Baseline({ model, head, mean: Float64Array.from(mean), meanSquare, count });
  }

  /** What the file holds; `JSON.stringify` calls it. */
  toJSON() {
    const short = (x) => Number(x.toPrecision(DIGITS));
    const { model, head, count } = this;
    const mean = Array.from(this.mean, short);
    const values = { format_version: FORMAT_VERSION, model, head, count, mean };
    return { affekt_baseline: { ...values, mean_square: this.meanSquare } };
  }

  /** The baseline of the recordings of both. */
  merged(other) {
    if (other.head !== this.head || other.mean.length !== this.mean.length) {
      throw new AffektError(
        `these baselines are of different models, ${this.model} and ${other.model}: build both with one`,
      );
    }
    const count = this.count + other.count;
    if (count === 0) return this;
    const share = other.count / count;
    const mean = this.mean.map((x, i) => x + (other.mean[i] - x) * share);
    const meanSquare = this.meanSquare + (other.meanSquare - this.meanSquare) * share;
    return new Baseline({ ...this, mean, meanSquare, count });
  }
}

/** The last, linear layer of a model: from embeddings to calibrated logits. */
export class Head {
  #weights; // rows of classes
  #bias;
  #exponent;
  #contrasts; // the weights minus their mean
  #moves; // by class, the least move of an embedding that adds 1 to its logit

  constructor({ weights, bias, mean, exponent }, fingerprint) {
    const classes = bias.length;
    const size = mean.length;
    this.mean = mean;
    this.fingerprint = fingerprint;
    this.#bias = bias;
    this.#exponent = exponent;
    this.#weights = rowsOf(weights, classes, size);
    const middle = Float64Array.from(mean, (_, i) => sum(this.#weights, (row) => row[i]) / classes);
    this.#contrasts = this.#weights.map((row) => Float64Array.from(row, (x, i) => x - middle[i]));
    this.#moves = pseudoInverse(this.#contrasts);
  }

  /**
   * Read the head that `config.json` keeps.
   * @returns {Promise<Head | null>} null where it keeps none
   */
  static async read({ emotion_head: raw }) {
    if (!raw) return null;
    const [weights, bias, mean] = [raw.weights, raw.bias, raw.mean].map(floats);
    if (weights.length !== bias.length * mean.length) {
      throw new AffektError("config.json of the model is damaged: export the model again");
    }
    const bytes = new Uint8Array([raw.weights, raw.mean].flatMap((text) => Array.from(unpacked(text))));
    // Pages without https have no digests: then the head fits no baseline.
    const digest = await globalThis.crypto?.subtle?.digest("SHA-256", bytes);
    const digits = digest && Array.from(new Uint8Array(digest), (x) => x.toString(16).padStart(2, "0"));
    return new Head({ weights, bias, mean, exponent: raw.exponent }, digits?.join("").slice(0, 16));
  }

  logits(embedding) {
    let scale = 1;
    if (this.#exponent) {
      const distance = dot(embedding, embedding) / embedding.length;
      scale = Math.max(distance, SMALLEST_DISTANCE) ** this.#exponent;
    }
    return this.#weights.map((row, k) => (dot(row, embedding) + this.#bias[k]) / scale);
  }

  /** What the model would answer if its embedding were moved by what is taken out. */
  moved({ probabilities, embedding, ...others }, shift) {
    const before = this.logits(embedding);
    const after = this.logits(Float64Array.from(embedding, (x, i) => x - shift[i]));
    const logits = Array.from(
      probabilities,
      (p, k) => Math.log(Math.max(p, SMALLEST_PROBABILITY)) + after[k] - before[k],
    );
    const most = Math.max(...logits);
    const odds = logits.map((x) => Math.exp(x - most));
    const total = odds.reduce((a, b) => a + b);
    return { ...others, embedding, probabilities: Float32Array.from(odds, (x) => x / total) };
  }

  /** What a recording adds to a baseline: its embedding without what its mood moves it by. */
  alone({ probabilities, embedding }) {
    const middle = sum(probabilities, (p) => p) / probabilities.length;
    const mean = Float64Array.from(embedding);
    this.#moves.forEach((move, k) => {
      const excess = MOOD_LOGITS * (probabilities[k] - middle);
      move.forEach((x, i) => (mean[i] -= excess * x));
    });
    return { mean, meanSquare: this.#effect(mean), count: 1 };
  }

  /** What a baseline takes out of each embedding. */
  shift({ mean, meanSquare, count }) {
    const effect = this.#effect(mean);
    const variance = Math.max(0, meanSquare - effect) / Math.max(count - 1, 1); // of the mean
    const sure = count > 1 && effect > 0 ? Math.max(0, 1 - (UNCERTAIN * variance) / effect) : 0;
    const weight = (sure * count) / (count + PRIOR_CLIPS);
    return Float64Array.from(mean, (x, i) => weight * (x - this.mean[i]));
  }

  /** Mean square of what a mean embedding moves the logits by, against the training data's. */
  #effect(mean) {
    const apart = mean.map((x, i) => x - this.mean[i]);
    return sum(this.#contrasts, (row) => dot(row, apart) ** 2) / this.#contrasts.length;
  }
}

/** A baseline in use: it is taken out of answers, and may learn from them. */
export class Adaptation {
  #head;
  #shift;

  /** @param {Head | null} head @param {string} name of the model @param {Baseline | null} baseline */
  constructor(head, name, baseline) {
    if (!head) {
      throw new AffektError(
        `the model ${name} keeps no 'emotion_head' in its config.json: export it again for baselines`,
      );
    }
    if (!head.fingerprint) {
      throw new AffektError("baselines need a page over https, or on localhost");
    }
    this.#head = head;
    const mean = Float64Array.from(head.mean);
    const empty = { model: name, head: head.fingerprint, mean, meanSquare: 0, count: 0 };
    this.#set(baseline ?? new Baseline(empty));
    if (this.baseline.head !== head.fingerprint || this.baseline.mean.length !== head.mean.length) {
      throw new AffektError(
        `the baseline was built with the model ${baseline.model}, not with this ${name}: build it again`,
      );
    }
  }

  moved(outputs) {
    return this.#head.moved(outputs, this.#shift);
  }

  /** Add a recording of which the model, without a baseline, has said this. */
  learn(outputs) {
    const { model, head } = this.baseline;
    this.#set(this.baseline.merged(new Baseline({ model, head, ...this.#head.alone(outputs) })));
  }

  #set(baseline) {
    this.baseline = baseline;
    this.#shift = this.#head.shift(baseline);
  }
}

function sum(values, of) {
  let total = 0;
  for (const value of values) total += of(value);
  return total;
}

function dot(a, b) {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i] * b[i];
  return total;
}

function rowsOf(flat, count, size) {
  return Array.from({ length: count }, (_, k) => flat.subarray(k * size, (k + 1) * size));
}

function unpacked(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** Numbers of 32 bits in base64. */
function floats(text) {
  const view = new DataView(unpacked(text).buffer);
  return Float32Array.from({ length: view.byteLength / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

/**
 * Rows of the pseudo-inverse of rows that sum to zero, transposed.
 *
 * Their products G have one direction without length, that of equal numbers: with J, which is 1/n
 * everywhere, the pseudo-inverse of G is (G + J)^-1 - J.
 */
function pseudoInverse(rows) {
  const n = rows.length;
  const grid = rows.map((a) => rows.map((b) => dot(a, b) + 1 / n));
  const inverse = inverted(grid).map((row) => row.map((x) => x - 1 / n));
  return inverse.map((row) => rows[0].map((_, i) => sum(rows.keys(), (k) => row[k] * rows[k][i])));
}

/** The inverse of a square matrix, by Gauss and Jordan with pivots. */
function inverted(matrix) {
  const n = matrix.length;
  const work = matrix.map((row, i) => [...row, ...row.map((_, j) => (i === j ? 1 : 0))]);
  for (let i = 0; i < n; i++) {
    let pivot = i;
    for (let k = i + 1; k < n; k++) if (Math.abs(work[k][i]) > Math.abs(work[pivot][i])) pivot = k;
    [work[i], work[pivot]] = [work[pivot], work[i]];
    const scale = work[i][i];
    work[i] = work[i].map((x) => x / scale);
    for (let k = 0; k < n; k++) {
      const factor = work[k][i];
      if (k !== i) work[k] = work[k].map((x, j) => x - factor * work[i][j]);
    }
  }
  return work.map((row) => row.slice(n));
}
