// How good a recording is: level, clipping, silence, noise and bandwidth, as affekt's Python
// measures them. What they mean and miss: docs/input-quality.md.

import { toMono } from "./audio.js";
import { OOD_LIMIT } from "./domain.js";

const CLIP_LEVEL = 0.999; // of full scale: from here on a sample counts as clipped
const SILENCE = -60; // dBFS, peak; below it a recording is silent

const QUIET = -50; // dBFS, root mean square
const CLIPPED_FRACTION = 0.001; // of the samples
const NOISY = 0; // dB; below, the noise is louder than the voice
const MUSIC = 0.25; // of the sound in tones that hold
const MUSIC_UNLIKE = 0.12; // the same where it is unlike speech anyway
const NARROW = 4200; // Hz; a telephone ends at 3400 Hz, a rate of 8 kHz at 4000
const SHORT = 0.5; // seconds
const LONG = 30; // seconds

const RATE = 16000; // Hz; noise and bandwidth are sought where the models listen
const FRAME = 512; // samples
const MOST_FRAMES = 4000; // more are passed over evenly
const TONE_FRAMES = 4; // a tone holds where a peak stays in its bin for so many frames
const TONE_BINS = [5, 204]; // of frames at half the rate: 80 to 3200 Hz
const TONE_PIECE = 80000; // samples at half the rate that are measured at once
const TONE_FAINTEST = 0.05; // of the largest
const FEWEST_FRAMES = 12; // fewer hold no pause to find noise in
const DIGITAL_SILENCE = 1e-11; // mean power per sample: below the noise of 16 bits
const LOWEST = 60; // Hz; rumble and hum below are passed over
const BAND = 125; // Hz; the reach is sought in these, the noise in two of them at a time
const NOISE_QUANTILE = 0.1; // the share of frames, in each band, taken to hold noise alone
const NOISE_QUANTILE_Z = -1.2815515655446004; // of the normal distribution
const FIRST_BIN = Math.floor((LOWEST / RATE) * FRAME) + 1;
const WIDTH = Math.round((BAND / RATE) * FRAME); // bins of a band
const BANDS = Math.floor((FRAME / 2 + 1 - FIRST_BIN) / WIDTH);
const REACH_DB = 50; // how far below the loudest band a band still counts as sound

/**
 * Measure a recording.
 * @param {Recording} recording
 * @returns {import("./fields.d.ts").Quality}
 */
export function measureQuality(recording) {
  const { channels, sampleRate } = recording;
  let peak = 0;
  let energy = 0;
  let clipped = 0;
  for (const channel of channels) {
    for (const sample of channel) {
      const size = Math.abs(sample);
      if (size > peak) peak = size;
      if (size >= CLIP_LEVEL) clipped++;
      energy += sample * sample;
    }
  }
  const count = channels.length * channels[0].length;
  const mono = toMono(recording, RATE);
  const power = bandPower(mono);
  return known({
    duration: channels[0].length / sampleRate,
    rms_dbfs: dbfs(Math.sqrt(energy / count)),
    peak_dbfs: dbfs(peak),
    clipped_fraction: clipped / count,
    silent: dbfs(peak) < SILENCE,
    snr_db: signalToNoise(power),
    bandwidth_hz: reach(power, Math.min(sampleRate, RATE)),
    held_tones: heldTones(mono),
  });
}

/**
 * What makes an answer about a recording less sure, in words.
 * @param {import("./fields.d.ts").Quality} quality
 * @param {number | null} score how unlike the training data it is
 * @returns {string[]}
 */
export function warningsOf(quality, score = null) {
  const { duration, rms_dbfs: rms, clipped_fraction: clipped } = quality;
  const { snr_db: snr = null, bandwidth_hz: bandwidth = null, held_tones: tones = null } = quality;
  const found = [];
  const strange = score !== null && score > OOD_LIMIT;
  if (tones !== null && tones > (strange ? MUSIC_UNLIKE : MUSIC)) {
    found.push(`music: ${(100 * tones).toFixed(0)}% of the sound are tones that hold their pitch`);
  }
  if (strange) {
    found.push(
      `unlike the speech it was trained on: score ${score.toFixed(1)}, limit ${OOD_LIMIT} ` +
        "(music, noise, or another way of recording)",
    );
  }
  if (clipped > CLIPPED_FRACTION) {
    found.push(`clipped: ${(100 * clipped).toFixed(1)}% of the samples at full scale`);
  }
  if (rms < QUIET) found.push(`very quiet: ${rms.toFixed(0)} dBFS`);
  if (snr !== null && snr < NOISY) {
    found.push(`noisy: the sound stands ${snr.toFixed(0)} dB above the noise`);
  }
  if (bandwidth !== null && bandwidth < NARROW) {
    const top = (bandwidth / 1000).toFixed(1);
    found.push(`band-limited: nothing above ${top} kHz, as on a telephone`);
  }
  if (duration < SHORT) found.push(`short: ${duration.toFixed(2)} s`);
  if (duration > LONG) found.push(`long: one answer for ${duration.toFixed(0)} s`);
  return found;
}

/** The fields of a result whose values are known. */
export function known(fields) {
  const entries = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(entries);
}

/** @param {number} amplitude @returns {number} in dB relative to 1, -120 at least */
export function dbfs(amplitude) {
  return amplitude > 0 ? Math.max(-120, 20 * Math.log10(amplitude)) : -120;
}

/** Power in bands of frames, end to end, that hold any sound, spread over the recording. */
function bandPower(samples) {
  const count = Math.floor(samples.length / FRAME);
  const chosen = Math.min(count, MOST_FRAMES);
  const taper = hann();
  const rows = [];
  for (let i = 0; i < chosen; i++) {
    const index = chosen > 1 ? Math.floor((i * (count - 1)) / (chosen - 1)) : 0;
    const frame = samples.subarray(index * FRAME, (index + 1) * FRAME);
    const energy = frame.reduce((sum, sample) => sum + sample * sample, 0);
    if (energy > DIGITAL_SILENCE * FRAME) rows.push(banded(powerSpectrum(frame, taper)));
  }
  return rows;
}

function hann() {
  const rise = (i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / (FRAME - 1));
  return Float32Array.from({ length: FRAME }, (_, i) => rise(i));
}

/** Share of the sound in tones that hold their pitch, as in music. */
function heldTones(samples) {
  const half = Float32Array.from(
    { length: Math.floor(samples.length / 2) },
    (_, i) => samples[2 * i] + samples[2 * i + 1],
  );
  let [held, total] = [0, 0];
  for (let start = 0; start < half.length; start += TONE_PIECE) {
    const [more, all] = tonesOf(half.subarray(start, start + TONE_PIECE));
    held += more;
    total += all;
  }
  return total > 0 ? held / total : null;
}

/** What is in tones that hold, and all of it: sums of the power to the fourth root. */
function tonesOf(samples) {
  const taper = hann();
  const rows = [];
  for (let at = 0; at + FRAME <= samples.length; at += FRAME) {
    const power = powerSpectrum(samples.subarray(at, at + FRAME), taper);
    rows.push(power.slice(TONE_BINS[0], TONE_BINS[1] + 1).map((value) => value ** 0.25));
  }
  if (rows.length < TONE_FRAMES) return [0, 0];
  const bins = rows[0].length;
  let loudest = 0;
  for (const row of rows) for (let b = 1; b < bins - 1; b++) loudest = Math.max(loudest, row[b]);
  if (loudest <= 0) return [0, 0];
  const around = rows.map(() => new Uint8Array(bins));
  for (let b = 1; b < bins - 1; b++) {
    let run = 0;
    rows.forEach((row, t) => {
      const peak = row[b] > row[b - 1] && row[b] >= row[b + 1] && row[b] > TONE_FAINTEST * loudest;
      run = peak ? run + 1 : 0;
      if (run < TONE_FRAMES) return;
      for (let i = 0; i < TONE_FRAMES; i++) around[t - i].fill(1, b - 1, b + 2);
    });
  }
  let [held, total] = [0, 0];
  rows.forEach((row, t) =>
    row.forEach((value, b) => {
      total += value;
      if (around[t][b] && b > 0 && b < bins - 1) held += value;
    }),
  );
  return [held, total];
}

/** Squared magnitudes of the discrete Fourier transform, from 0 Hz to half the rate. */
function powerSpectrum(frame, taper) {
  const re = Float64Array.from(frame, (sample, i) => sample * taper[i]);
  const im = new Float64Array(FRAME);
  for (let i = 1, j = 0; i < FRAME; i++) {
    let bit = FRAME >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) [re[i], re[j]] = [re[j], re[i]];
  }
  for (let size = 2; size <= FRAME; size *= 2) {
    for (let k = 0; k < size / 2; k++) {
      const angle = (-2 * Math.PI * k) / size;
      const [c, s] = [Math.cos(angle), Math.sin(angle)];
      for (let a = k; a < FRAME; a += size) {
        const b = a + size / 2;
        const [x, y] = [re[b] * c - im[b] * s, re[b] * s + im[b] * c];
        [re[b], im[b]] = [re[a] - x, im[a] - y];
        re[a] += x;
        im[a] += y;
      }
    }
  }
  return Float64Array.from({ length: FRAME / 2 + 1 }, (_, i) => re[i] ** 2 + im[i] ** 2);
}

/** Ratio of the sound to the steady noise under it, in dB. */
function signalToNoise(rows) {
  if (rows.length < FEWEST_FRAMES) return null;
  const shape = Math.max(1, (2 * WIDTH) / 1.9);
  const expected = (1 - 1 / (9 * shape) + NOISE_QUANTILE_Z / (3 * Math.sqrt(shape))) ** 3;
  let noise = 0;
  let sum = 0;
  for (let band = 0; band + 1 < BANDS; band += 2) {
    const column = rows.map((row) => (row[band] + row[band + 1]) / 2);
    const total = column.reduce((a, b) => a + b, 0) / column.length;
    noise += Math.min(quantile(column, NOISE_QUANTILE) / expected, total);
    sum += total;
  }
  if (noise <= 0) return 60;
  const ratio = 10 * Math.log10(Math.max((sum - noise) / noise, 1e-9));
  return Math.min(Math.max(ratio, -10), 60);
}

/** The highest frequency that the sound reaches, in Hz. */
function reach(rows, rate) {
  if (!rows.length) return null;
  const loud = rows[0].map((_, band) => quantile(rows.map((row) => row[band]), 0.95));
  const least = Math.max(...loud) * 10 ** (-REACH_DB / 10);
  const last = loud.findLastIndex((power) => power > least);
  if (last < 0) return null;
  if (last === BANDS - 1) return rate / 2;
  return Math.min(((FIRST_BIN - 1 + (last + 1) * WIDTH) * RATE) / FRAME, rate / 2);
}

/** Mean power of the bands of a power spectrum. */
function banded(power) {
  return Array.from({ length: BANDS }, (_, band) => {
    let sum = 0;
    for (let i = 0; i < WIDTH; i++) sum += power[FIRST_BIN + band * WIDTH + i];
    return sum / WIDTH;
  });
}

/** The value below which a share of the values lies, between neighbours in proportion. */
function quantile(values, share) {
  const sorted = Float64Array.from(values).sort();
  const place = share * (sorted.length - 1);
  const low = Math.floor(place);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (place - low) * (sorted[high] - sorted[low]);
}
