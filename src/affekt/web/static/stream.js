// Windows over a stream, each scored as soon as it is complete.
// The windows lie where affekt's Python lays them, so that both draw the same time line.

import { AffektError } from "./errors.js";
import { Resampler } from "./resample.js";
import { joinSamples } from "./samples.js";
import { Segmenter } from "./segmenter.js";

const FALLBACK_STEP = 0.05; // seconds; the grid of models whose encoder cannot stream
const SILENT_PEAK = 0.001; // -60 dBFS: below it a recording is silent
const BREATH = 40; // ms of work, after which the page may draw

export const STREAM_OPTIONS = {
  window: 3, // seconds that one answer is about
  hop: null, // seconds from one answer to the next; see hopOf
  smoothing: 2, // seconds around each answer that are averaged before it is labelled
  minDuration: 1, // seconds; a shorter stretch joins the one before it
  maxPause: 1, // seconds; a pause up to this long does not end a segment
  threshold: 0, // probability below which no emotion is named
};

/** One voice, or one recording, as it comes; made by `model.stream()`. */
export class Stream {
  #model;
  #scorer;
  #grid;
  #loud = []; // per step that is kept: whether it is not silent
  #firstLoud = 0;
  #heard = 0; // samples
  #next = 0; // index of the next window
  #held = new Float32Array(0); // samples of the step that is not complete
  #segmenter;
  #resampler;
  #turn = Promise.resolve();
  #ended = false;
  #adaptation; // what is taken out of the answers; null where nothing
  #learn;
  #learnt = 0; // the step behind the last window learnt

  constructor(model, { learn = false, ...options } = {}) {
    const rate = model.sampleRate;
    this.#model = model;
    this.#learn = learn;
    this.#adaptation = model.adaptation(learn);
    const own = { threshold: model.threshold, hop: hopOf(model, options) };
    this.options = checkedOptions({ ...own, ...options }, rate);
    this.#scorer = model.scorer(Math.round(FALLBACK_STEP * rate));
    this.#grid = layGrid(this.options, this.#scorer.step, rate);
    const hop = (this.#grid.hop * this.#scorer.step) / rate;
    this.#segmenter = new Segmenter(model.labels, this.options, hop);
    const given = this.options.sampleRate;
    this.#resampler = given === rate ? null : new Resampler(given, rate);
  }

  /**
   * Take more sound.
   * @param {Float32Array} samples the next ones, mono, any number of them
   * @returns {Promise<{measurements: Measurement[], segments: Segment[]}>} the windows that became
   *   known, and the segments that became final
   */
  push(samples) {
    if (this.#ended) return Promise.reject(new AffektError("the stream has ended: make a new one"));
    return this.#inTurn(() => this.#take(this.#resampler?.push(samples) ?? samples, false));
  }

  /** End the stream: the rest, and the segments that were still open. */
  flush() {
    if (this.#ended) return Promise.resolve({ measurements: [], segments: [] });
    this.#ended = true;
    return this.#inTurn(async () => {
      const rest = this.#resampler?.flush() ?? new Float32Array(0);
      const { measurements, segments } = await this.#take(rest, true);
      return { measurements, segments: [...segments, ...this.#segmenter.flush()] };
    });
  }

  /** The segment that is not final yet, as it stands; null where nothing is open. */
  get open() {
    return this.#segmenter.open;
  }

  /** The baseline that is taken out now, with what was learnt; null without one. */
  get baseline() {
    return this.#adaptation?.baseline ?? null;
  }

  /** Seconds that were pushed. */
  get duration() {
    return this.#heard / this.#model.sampleRate;
  }

  #inTurn(work) {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #take(samples, atEnd) {
    this.#heard += samples.length;
    this.#listen(samples, atEnd);
    await this.#scorer.push(samples);
    if (atEnd) await this.#scorer.finish();
    const windows = [];
    const shortest = (this.#model.config.minimum_duration ?? 0) * this.#model.sampleRate;
    if (!atEnd || this.#heard >= shortest) {
      for await (const window of this.#ready(atEnd)) windows.push(window);
    }
    const measurements = windows
      .filter(({ scores }) => scores !== null)
      .map(({ start, end, outputs }) => {
        const answer = this.#model.named(outputs);
        return { start, end, ...answer, warnings: [], provisional: false };
      });
    return { measurements, segments: this.#segmenter.push(windows) };
  }

  /** All windows that are known by now. */
  async *#ready(atEnd) {
    const { hop, before, after } = this.#grid;
    const { step } = this.#scorer;
    const known = Math.min(this.#scorer.known, this.#firstLoud + this.#loud.length);
    let breath = performance.now();
    for (; ; this.#next++) {
      const start = this.#next * hop;
      let first = Math.max(0, start - before);
      let last = start + hop + after;
      if (atEnd) {
        if (start * step >= this.#heard) break;
        if (last * step >= this.#heard) {
          last = Math.ceil(this.#heard / step); // cut, but not to a sliver
          const half = Math.floor((before + hop + after) / 2);
          first = Math.max(0, Math.min(start - before, last - half));
        }
      } else if (last > known || last * step >= this.#heard) break;
      const own = start - this.#firstLoud; // what the answer stands for, in the middle of its window
      const loud = this.#loud.slice(own, own + hop).some(Boolean);
      const ends = last * step >= this.#heard;
      const outputs = loud ? await this.#scorer.score(first, last, ends) : null;
      yield this.#windowScore(start, outputs && this.#adapted(outputs, first, last));
      const oldest = Math.max(0, start + hop - (before + hop + after));
      this.#forget(oldest);
      this.#scorer.forget(oldest);
      if (performance.now() - breath > BREATH) {
        await new Promise((done) => setTimeout(done));
        breath = performance.now();
      }
    }
  }

  /** Take the baseline out; a whole window behind the last one learnt counts as one recording. */
  #adapted(outputs, first, last) {
    if (!this.#adaptation) return outputs;
    const moved = this.#adaptation.moved(outputs);
    const { hop, before, after } = this.#grid;
    if (this.#learn && first >= this.#learnt && last - first === before + hop + after) {
      this.#adaptation.learn(outputs);
      this.#learnt = last;
    }
    return moved;
  }

  #windowScore(first, outputs) {
    const rate = this.#model.sampleRate;
    const end = Math.min((first + this.#grid.hop) * this.#scorer.step, this.#heard) / rate;
    const scores = outputs && Array.from(outputs.probabilities);
    return { start: micro((first * this.#scorer.step) / rate), end: micro(end), scores, outputs };
  }

  /** Find the steps that are not silent. */
  #listen(samples, atEnd) {
    const { step } = this.#scorer;
    const joined = joinSamples(this.#held, samples);
    let at = 0;
    for (; at + step <= joined.length || (atEnd && at < joined.length); at += step) {
      this.#loud.push(joined.subarray(at, at + step).some((x) => Math.abs(x) >= SILENT_PEAK));
    }
    this.#held = joined.slice(at);
  }

  #forget(first) {
    if (first > this.#firstLoud) {
      this.#loud.splice(0, first - this.#firstLoud);
      this.#firstLoud = first;
    }
  }
}

/** Runs the whole graph on each window again: for models whose encoder cannot stream. */
export class RerunScorer {
  #model;
  #samples = new Float32Array(0);
  #first = 0; // step of the first sample that is kept

  constructor(model, step) {
    this.#model = model;
    this.step = step;
  }

  /** Steps from the beginning that can be scored. */
  get known() {
    return this.#first + Math.floor(this.#samples.length / this.step);
  }

  push(samples) {
    this.#samples = joinSamples(this.#samples, samples);
  }

  finish() {}

  score(first, last) {
    const [from, to] = [first, last].map((step) => (step - this.#first) * this.step);
    return this.#model.run(this.#samples.slice(from, to));
  }

  forget(first) {
    if (first > this.#first) {
      this.#samples = this.#samples.slice((first - this.#first) * this.step);
      this.#first = first;
    }
  }
}

/** Seconds from one answer to the next by default: more where each window runs anew. */
function hopOf(model, { window = STREAM_OPTIONS.window }) {
  return Math.min(window, model.streams ? 0.5 : 1);
}

/** Where windows lie, in steps: a window's hop, and how much further its window reaches. */
function layGrid({ window, hop }, step, rate) {
  const seconds = step / rate;
  const steps = (time) => Math.ceil(time / seconds - 1e-6);
  const hopSteps = Math.max(1, steps(hop));
  const around = Math.max(hopSteps, steps(window)) - hopSteps;
  const before = Math.floor(around / 2);
  return { hop: hopSteps, before, after: around - before };
}

function checkedOptions(given, rate) {
  const options = { ...STREAM_OPTIONS, sampleRate: rate, ...given };
  for (const [name, value] of Object.entries(options)) {
    if (!(name in STREAM_OPTIONS) && name !== "sampleRate") {
      const names = Object.keys(STREAM_OPTIONS).join(", ");
      throw new AffektError(`stream: unknown option ${name}: expected ${names} or sampleRate`);
    }
    const least = name === "window" || name === "hop" ? Number.MIN_VALUE : 0;
    if (!Number.isFinite(value) || value < least) {
      throw new AffektError(`stream: ${name} is ${value}: expected a number above 0`);
    }
  }
  if (options.hop > options.window) {
    throw new AffektError("stream: hop is longer than window: make it shorter");
  }
  return options;
}

function micro(seconds) {
  return Math.round(seconds * 1e6) / 1e6;
}
