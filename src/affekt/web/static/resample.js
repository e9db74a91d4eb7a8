// Change the sample rate, of a whole recording or of a stream, the same way in every browser.
//
// A windowed sinc keeps what lies below 91 % of the lower Nyquist frequency and takes away what
// lies above it, to -120 dB: within rounding the sound that soxr's HQ gives to Python.

import { AffektError } from "./errors.js";

const PASS = 0.913; // of the lower Nyquist frequency: what is kept untouched up to here
const ATTENUATION = 120; // dB, of what is taken away
const LOWEST_RATE = 4000; // Hz
const HIGHEST_RATE = 192000; // Hz

/**
 * Refuse a sample rate that cannot be meant.
 * @param {number} rate in Hz
 * @returns {number} the same
 */
export function checkedRate(rate) {
  if (!Number.isInteger(rate) || rate < LOWEST_RATE || rate > HIGHEST_RATE) {
    throw new AffektError(
      `a sample rate of ${rate} Hz is out of range: ` +
        `give a whole number from ${LOWEST_RATE} to ${HIGHEST_RATE}`,
    );
  }
  return rate;
}

/** A stream of samples at one rate becomes the same stream at another. */
export class Resampler {
  #up;
  #down;
  #half;
  #phases;
  #held; // Float32Array: input that later output still needs
  #start; // index, in the input, of the first sample held
  #received = 0;
  #made = 0;

  /** @param {number} from rate of what comes in, in Hz @param {number} to rate wanted, in Hz */
  constructor(from, to) {
    const divisor = greatestCommonDivisor(checkedRate(from), checkedRate(to));
    this.#up = to / divisor;
    this.#down = from / divisor;
    const nyquist = Math.min(from, to) / from; // of the input's
    const transition = (1 - PASS) * nyquist;
    this.#half = Math.ceil((ATTENUATION - 7.95) / (2.285 * Math.PI * transition) / 2);
    this.#phases = kernel(this.#up, this.#half, ((1 + PASS) / 2) * nyquist);
    this.#held = new Float32Array(this.#half); // the silence before the first sample
    this.#start = -this.#half;
  }

  /**
   * @param {Float32Array} samples what comes next
   * @returns {Float32Array} what can be said by now; the rest waits for more
   */
  push(samples) {
    this.#hold(samples);
    this.#received += samples.length;
    return this.#make(Infinity);
  }

  /** @returns {Float32Array} the rest, as if silence followed */
  flush() {
    const all = Math.round((this.#received * this.#up) / this.#down);
    this.#hold(new Float32Array(this.#half + Math.ceil(this.#down / this.#up) + 1));
    return this.#make(all);
  }

  #hold(samples) {
    const first = Math.floor((this.#made * this.#down) / this.#up) - this.#half + 1;
    const kept = this.#held.subarray(Math.max(0, first - this.#start));
    const joined = new Float32Array(kept.length + samples.length);
    joined.set(kept);
    joined.set(samples, kept.length);
    this.#start += this.#held.length - kept.length;
    this.#held = joined;
  }

  #make(most) {
    const taps = 2 * this.#half;
    const last = this.#start + this.#held.length - 1 - this.#half; // newest centre that is covered
    const reachable = Math.floor(((last + 1) * this.#up - 1) / this.#down) + 1;
    const count = Math.max(0, Math.min(most, reachable) - this.#made);
    const made = new Float32Array(count);
    for (let i = 0; i < count; i++) {
      const position = (this.#made + i) * this.#down;
      const phase = position % this.#up;
      const begin = (position - phase) / this.#up - this.#half + 1 - this.#start;
      const row = phase * taps;
      let sum = 0;
      for (let k = 0; k < taps; k++) sum += this.#phases[row + k] * this.#held[begin + k];
      made[i] = sum;
    }
    this.#made += count;
    return made;
  }
}

/**
 * Change the sample rate of a whole recording.
 * @param {Float32Array} samples mono
 * @param {number} from its rate in Hz
 * @param {number} to the rate wanted, in Hz
 * @returns {Float32Array} the same array where the rates are equal
 */
export function resample(samples, from, to) {
  if (from === to) return samples;
  const resampler = new Resampler(from, to);
  const parts = [resampler.push(samples), resampler.flush()];
  const whole = new Float32Array(parts[0].length + parts[1].length);
  whole.set(parts[0]);
  whole.set(parts[1], parts[0].length);
  return whole;
}

/** One row of taps for every place that an output sample can have between two input samples. */
function kernel(up, half, cutoff) {
  const beta = 0.1102 * (ATTENUATION - 8.7);
  const taps = 2 * half;
  const rows = new Float64Array(up * taps);
  for (let phase = 0; phase < up; phase++) {
    let sum = 0;
    for (let k = 0; k < taps; k++) {
      const distance = k - half + 1 - phase / up; // in input samples
      const angle = Math.PI * cutoff * distance;
      const sinc = angle === 0 ? 1 : Math.sin(angle) / angle;
      const taper = bessel(beta * Math.sqrt(Math.max(0, 1 - (distance / half) ** 2)));
      rows[phase * taps + k] = sinc * taper;
      sum += sinc * taper;
    }
    for (let k = 0; k < taps; k++) rows[phase * taps + k] /= sum;
  }
  return rows;
}

/** Modified Bessel function of order zero, which shapes a Kaiser window. */
function bessel(x) {
  let sum = 1;
  for (let k = 1, term = 1; term > 1e-12 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function greatestCommonDivisor(a, b) {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
