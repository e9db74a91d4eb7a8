// The picture of a time line: waveform, a ribbon of emotions, and how probable each one is.

import { clock, colourOf, inkOn, strokesOf } from "./emotions.js";
import { say } from "./words.js";

const BIN = 0.01; // seconds of sound in one stroke of the waveform
const LIVE = 30; // seconds that a live time line shows
const GUTTER = 78; // pixels left of the picture, for names
const WAVE = 64; // pixels
const RIBBON = 34;
const AXIS = 20;
const GAP = 8;

/** Least and greatest sample of every stretch of 10 ms. */
export class Envelope {
  constructor(sampleRate) {
    this.size = Math.round(BIN * sampleRate);
    this.low = [];
    this.high = [];
    this.filled = 0;
  }

  push(samples) {
    for (const sample of samples) {
      if (this.filled === 0) {
        this.low.push(sample);
        this.high.push(sample);
      } else {
        const last = this.low.length - 1;
        if (sample < this.low[last]) this.low[last] = sample;
        if (sample > this.high[last]) this.high[last] = sample;
      }
      this.filled = (this.filled + 1) % this.size;
    }
  }

  get duration() {
    return this.low.length * BIN;
  }
}

/** Draws one recording, or live sound, into an element with a canvas. */
export class Track {
  constructor(element, labels) {
    this.element = element;
    this.canvas = element.querySelector("canvas");
    this.labels = labels;
    this.clear(false);
    new ResizeObserver(() => this.draw()).observe(element);
  }

  /** Forget what was there. */
  clear(live, labels = this.labels) {
    this.live = live;
    this.labels = labels;
    this.envelope = null;
    this.duration = 0;
    this.measurements = [];
    this.segments = [];
    this.cursor = null;
    this.draw();
  }

  /** The stretch that is shown, in seconds. */
  get span() {
    if (!this.live) return [0, Math.max(this.duration, 0.1)];
    const end = Math.max(LIVE, this.duration);
    return [end - LIVE, end];
  }

  /** The time under a place, in pixels from the left. */
  timeAt(pixel) {
    const width = this.canvas.clientWidth;
    const left = gutter(width);
    const [from, to] = this.span;
    return from + Math.max(0, Math.min(1, (pixel - left) / (width - left))) * (to - from);
  }

  draw() {
    const { canvas } = this;
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!width) return;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = "12px system-ui, 'DejaVu Sans', sans-serif";
    this.paint(pen, width, height);
  }

  /** Paint with a pen, for the screen or for a report. */
  paint(pen, width, height) {
    const style = getComputedStyle(document.documentElement);
    const ink = (name) => style.getPropertyValue(`--${name}`).trim();
    const [from, to] = this.span;
    const left = gutter(width);
    const x = (time) => left + ((time - from) / (to - from)) * (width - left);
    const frame = { pen, width, height, left, x, from, to, ink };
    this.#names(frame);
    this.#wave(frame);
    this.#ribbon(frame, WAVE + GAP);
    this.#rows(frame, WAVE + RIBBON + 2 * GAP);
    this.#axis(frame);
    this.#marker(frame);
  }

  #names({ pen, ink, height, width, left }) {
    pen.fillStyle = ink("soft");
    pen.textAlign = "left";
    pen.textBaseline = "middle";
    pen.fillText(say("sound"), 0, WAVE / 2);
    pen.fillText(say("heard"), 0, WAVE + GAP + RIBBON / 2);
    pen.fillStyle = ink("track");
    pen.fillRect(left, WAVE / 2 - 0.5, width - left, 1);
    roundRect(pen, left, WAVE + GAP, width - left, RIBBON, 6);
    const { top, row } = this.#rowPlaces(height);
    pen.fillStyle = ink("soft");
    this.labels.forEach((label, i) => pen.fillText(say(label), 0, top + (i + 0.5) * row));
  }

  #rowPlaces(height) {
    const top = WAVE + RIBBON + 2 * GAP;
    return { top, row: (height - AXIS - top) / Math.max(1, this.labels.length) };
  }

  #wave({ pen, from, to, ink, left, width }) {
    const { envelope } = this;
    if (!envelope?.low.length) return;
    const middle = WAVE / 2;
    pen.fillStyle = ink("wave");
    const most = this.live ? 1 : Math.max(0.05, ...quantised(envelope));
    for (let pixel = left; pixel < width; pixel++) {
      const time = from + ((pixel - left) / (width - left)) * (to - from);
      const next = from + ((pixel + 1 - left) / (width - left)) * (to - from);
      const first = Math.floor(time / BIN);
      const last = Math.max(first + 1, Math.floor(next / BIN));
      if (first >= envelope.low.length) break;
      let low = 0;
      let high = 0;
      for (let i = Math.max(0, first); i < Math.min(last, envelope.low.length); i++) {
        low = Math.min(low, envelope.low[i]);
        high = Math.max(high, envelope.high[i]);
      }
      const up = (Math.min(1, high / most) * WAVE) / 2;
      const down = (Math.min(1, -low / most) * WAVE) / 2;
      pen.fillRect(pixel, middle - up, 1, Math.max(1, up + down));
    }
  }

  #ribbon({ pen, x, left, width }, top) {
    pen.save();
    pen.beginPath();
    pen.rect(left, top, width - left, RIBBON);
    pen.clip();
    pen.textBaseline = "middle";
    for (const { start, end, label } of this.segments) {
      const begin = Math.max(x(start), left - 8);
      const wide = Math.min(x(end), width + 8) - begin - 1;
      if (x(end) < left || begin > width) continue;
      if (label === "uncertain") continue; // no emotion is known there
      pen.fillStyle = colourOf(label);
      roundRect(pen, begin, top, Math.max(1.5, wide), RIBBON, 6);
      const inner = Math.max(begin, left);
      const room = begin + wide - inner;
      if (room < 22) continue;
      face(pen, label, inner + 5, top + RIBBON / 2 - 9, 18);
      pen.fillStyle = inkOn(label);
      pen.font = "600 13px system-ui, 'DejaVu Sans', sans-serif";
      if (pen.measureText(say(label)).width + 36 < room) pen.fillText(say(label), inner + 28, top + RIBBON / 2 + 0.5);
    }
    pen.restore();
  }

  #rows({ pen, x, height, left, width, ink }) {
    const { top, row } = this.#rowPlaces(height);
    this.labels.forEach((label, i) => {
      pen.fillStyle = ink("track");
      pen.fillRect(left, top + i * row + row - 3, width - left, 1);
      pen.fillStyle = colourOf(label);
      for (const { start, end, scores } of this.measurements) {
        const begin = Math.max(left, x(start));
        if (x(end) <= left || begin > width) continue;
        const tall = scores[label] * (row - 4);
        pen.fillRect(begin, top + (i + 1) * row - 3 - tall, Math.max(1, x(end) - begin - 0.6), tall);
      }
    });
  }

  #axis({ pen, x, from, to, height, left, width, ink }) {
    const room = (width - left) / 70;
    const step = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800].find((s) => (to - from) / s <= room) ?? 3600;
    pen.fillStyle = ink("soft");
    pen.textBaseline = "bottom";
    pen.textAlign = "center";
    pen.font = "12px system-ui, 'DejaVu Sans', sans-serif";
    for (let time = Math.ceil(from / step) * step; time <= to; time += step) {
      const place = x(time);
      pen.fillRect(place - 0.5, height - AXIS, 1, 4);
      const half = 16;
      pen.fillText(clock(time, step < 1), Math.min(Math.max(place, left + half), width - half), height);
    }
    pen.textAlign = "left";
  }

  #marker({ pen, x, height, ink }) {
    if (this.cursor === null) return;
    pen.fillStyle = ink("ink");
    pen.fillRect(x(this.cursor) - 1, 0, 2, height - AXIS);
  }
}

function gutter(width) {
  return width < 480 ? GUTTER - 12 : GUTTER;
}

function face(pen, label, left, top, size) {
  pen.save();
  pen.translate(left, top);
  pen.scale(size / 24, size / 24);
  pen.lineWidth = 2;
  pen.lineCap = pen.lineJoin = "round";
  pen.strokeStyle = inkOn(label);
  pen.stroke(new Path2D("M23 12a11 11 0 1 1-22 0a11 11 0 1 1 22 0"));
  pen.stroke(new Path2D(strokesOf(label)));
  pen.restore();
}

function roundRect(pen, left, top, width, height, radius) {
  pen.beginPath();
  pen.roundRect(left, top, width, height, Math.min(radius, width / 2));
  pen.fill();
}

/** The loudest of every second, which is enough to scale a waveform by. */
function quantised({ low, high }) {
  const most = [];
  for (let i = 0; i < low.length; i += 100) {
    let loudest = 0;
    for (let k = i; k < Math.min(i + 100, low.length); k++) loudest = Math.max(loudest, high[k], -low[k]);
    most.push(loudest);
  }
  return most;
}
