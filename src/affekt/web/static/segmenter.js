// From answers for single moments to segments: smooth, label, merge. As in affekt's Python.

import { withDimensions } from "./dimensions.js";
import { OUTPUTS } from "./fields.js";

export const UNCERTAIN = "uncertain";

const ROUNDING = 1e-6; // seconds

/** Merges the windows of one stream into segments as they come. */
export class Segmenter {
  #labels;
  #options;
  #reach; // windows on either side that smoothing takes in
  #windows = [];
  #smoothed = 0; // how many windows at the beginning of #windows are done
  #current = null;
  #candidate = null; // too short by now to stand by itself

  constructor(labels, options, hop) {
    this.#labels = labels;
    this.#options = options;
    this.#reach = roundHalfEven(options.smoothing / hop / 2);
  }

  /** Take windows in order; return the segments that became final. */
  push(windows) {
    const done = [];
    for (const window of windows) {
      this.#windows.push(window);
      if (this.#windows.length - this.#smoothed > this.#reach) this.#smoothNext(done);
    }
    return done;
  }

  /** Return what is left when no more windows come. */
  flush() {
    const done = [];
    while (this.#smoothed < this.#windows.length) this.#smoothNext(done);
    this.#close(done);
    return done;
  }

  /** The segment that is not final yet, as it stands. */
  get open() {
    return (this.#current ?? this.#candidate)?.segment(this.#labels) ?? null;
  }

  #smoothNext(done) {
    const index = this.#smoothed;
    const window = this.#windows[index];
    const around = this.#windows.slice(Math.max(0, index - this.#reach), index + this.#reach + 1);
    this.#smoothed += 1;
    if (this.#smoothed > this.#reach) {
      this.#windows.shift();
      this.#smoothed -= 1;
    }
    if (window.scores === null) {
      this.#pause(window, done);
    } else {
      this.#add(window, mean(around.map((other) => other.scores).filter(Boolean)), done);
    }
  }

  #pause(window, done) {
    const last = this.#candidate ?? this.#current;
    if (last && window.end - last.end > this.#options.maxPause + ROUNDING) this.#close(done);
  }

  #add(window, scores, done) {
    const best = indexOfMost(scores);
    const label = scores[best] >= this.#options.threshold ? this.#labels[best] : UNCERTAIN;
    if (this.#candidate && this.#candidate.label !== label) this.#join(this.#candidate, label);
    if (!this.#candidate) {
      if (this.#current?.label === label) {
        this.#current.add(window, scores);
        return;
      }
      this.#candidate = new Run(label, window.start, scores.length);
    }
    this.#candidate.add(window, scores);
    if (this.#candidate.end - this.#candidate.start >= this.#options.minDuration - ROUNDING) {
      if (this.#current) done.push(this.#current.segment(this.#labels));
      this.#current = this.#candidate;
      this.#candidate = null;
    }
  }

  /** Merge what is too short with what is before it, else with what follows. */
  #join(short, nextLabel) {
    if (this.#current) {
      this.#current.absorb(short);
      this.#candidate = null;
    } else {
      short.label = nextLabel;
    }
  }

  #close(done) {
    if (this.#candidate) this.#join(this.#candidate, this.#candidate.label);
    const last = this.#current ?? this.#candidate;
    if (last) done.push(last.segment(this.#labels));
    this.#current = this.#candidate = null;
  }
}

/** Windows that follow each other under one label. */
class Run {
  constructor(label, start, classes) {
    this.label = label;
    this.start = this.end = start;
    this.sum = new Array(classes).fill(0); // scores times seconds
    this.weight = 0; // seconds with sound
    this.extras = {}; // by output, value times seconds
  }

  add(window, scores) {
    const seconds = window.end - window.start;
    scores.forEach((score, i) => (this.sum[i] += score * seconds));
    this.weight += seconds;
    for (const name of OUTPUTS) {
      const value = window.outputs?.[name]?.[0];
      if (value !== undefined) this.extras[name] = (this.extras[name] ?? 0) + value * seconds;
    }
    this.end = window.end;
  }

  absorb(other) {
    other.sum.forEach((sum, i) => (this.sum[i] += sum));
    this.weight += other.weight;
    for (const [name, sum] of Object.entries(other.extras)) {
      this.extras[name] = (this.extras[name] ?? 0) + sum;
    }
    this.end = other.end;
  }

  segment(labels) {
    const scores = Object.fromEntries(labels.map((name, i) => [name, this.sum[i] / this.weight]));
    const confidence = scores[this.label] ?? Math.max(...Object.values(scores));
    const means = Object.entries(this.extras).map(([name, sum]) => [name, sum / this.weight]);
    const { start, end, label } = this;
    return withDimensions({ start, end, label, confidence, scores, ...Object.fromEntries(means), warnings: [] });
  }
}

function mean(rows) {
  return rows[0].map((_, i) => rows.reduce((sum, row) => sum + row[i], 0) / rows.length);
}

function indexOfMost(values) {
  return values.reduce((best, value, i) => (value > values[best] ? i : best), 0);
}

function roundHalfEven(value) {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
}
