// Parts of the page that show something: the answer, the input level, the table of segments.

import { Plane } from "./dimensions.js";
import { clock, faceOf, percent } from "./emotions.js";
import { dbfs } from "./quality.js";
import { emotionsIn, inWords } from "./summary.js";
import { say } from "./words.js";

const $ = (id) => document.getElementById(id);
const SPEAK = 3000; // ms between two announcements, so that a screen reader may keep up
const CLIPPED = 0.99; // of full scale
const QUIET = -50; // dBFS
const SILENT = -60; // dBFS
const MEMORY = 40; // pieces of sound, about two seconds, that hints look back on

/** The recognised emotion, with the probability of each. */
export class Answer {
  words = "nothing yet";
  #rows = new Map();
  #spoken = 0;
  #about = "";
  #plane = new Plane($("plane"), say);

  /** Forget what was there; know which emotions there are. */
  clear(labels) {
    this.#rows.clear();
    $("bars").replaceChildren(
      ...labels.map((label) => {
        const row = document.createElement("li");
        const [name, value] = ["span", "span"].map((tag) => document.createElement(tag));
        const line = document.createElement("div");
        const bar = document.createElement("div");
        name.textContent = say(label);
        value.className = "number";
        line.className = "line";
        bar.style.background = `var(--${label}, var(--accent))`;
        line.append(bar);
        row.append(faceOf(label), name, line, value);
        this.#rows.set(label, { row, bar, value });
        return row;
      }),
    );
    this.#plane.clear();
    this.warn([]);
    this.wait(say("Listen, or choose a recording."));
  }

  /** Show that nothing is known yet, and what to do. */
  wait(text) {
    $("face").replaceChildren(faceOf("none"));
    $("label").classList.remove("course");
    $("label").textContent = say("Nothing yet");
    $("sure").textContent = text;
    for (const { row, bar, value } of this.#rows.values()) {
      row.classList.remove("first");
      bar.style.width = "0";
      value.textContent = "–";
    }
  }

  /** Show an answer, and what it is about. */
  show(found, about, speak = false) {
    const { label, confidence, scores } = found;
    this.#plane.show(...(found.segments ?? []), found);
    $("label").classList.remove("course");
    const changed = $("label").textContent !== say(label);
    $("label").textContent = say(label);
    this.#about = about;
    $("sure").textContent = say("{0} probable. {1}", percent(confidence), about);
    this.words = say("{0}, {1} probable", say(label), percent(confidence));
    if (changed) $("face").replaceChildren(faceOf(label));
    for (const [name, { row, bar, value }] of this.#rows) {
      row.classList.toggle("first", name === label);
      bar.style.width = `${100 * scores[name]}%`;
      value.textContent = percent(scores[name]);
    }
    if (speak && changed && performance.now() - this.#spoken > SPEAK) this.announce(this.words);
  }

  /** Describe a recording of several emotions by its course, where one word would hide the others. */
  sumUp(segments) {
    if (emotionsIn(segments) < 2) return;
    $("sure").textContent = say("All of it: {0}. {1}", this.words, this.#about);
    this.words = inWords(segments);
    $("label").textContent = this.words;
    $("label").classList.add("course");
    $("face").replaceChildren(faceOf("none"));
  }

  /** Say something to a screen reader. */
  announce(text) {
    this.#spoken = performance.now();
    $("announce").textContent = text;
  }

  /** Show what makes the answer less sure. */
  warn(warnings) {
    $("warnings").replaceChildren(
      ...warnings.map((text) => {
        const line = document.createElement("li");
        line.textContent = text;
        return line;
      }),
    );
  }
}

/** The level of what comes in, and what to do about it. */
export class Level {
  #recent = [];

  /** Analyse a chunk from the microphone. */
  hear(samples) {
    const [peak, rms] = measured(samples);
    this.#recent.push([peak, rms]);
    if (this.#recent.length > MEMORY) this.#recent.shift();
    this.#draw(rms, peak);
    $("hint").textContent = this.#hint();
  }

  /** Show the level of a whole recording. */
  show(samples) {
    const [peak, rms] = measured(samples);
    this.#draw(rms, peak);
    $("hint").textContent = "";
  }

  /** Nothing comes in. */
  rest() {
    this.#recent = [];
    this.#draw(-120, -120);
    $("level-text").textContent = "–";
    $("level").setAttribute("aria-valuetext", say("no input"));
    $("hint").textContent = "";
  }

  #draw(rms, peak) {
    const shown = Math.max(-60, Math.min(0, rms));
    const meter = $("level");
    meter.classList.toggle("loud", peak >= dbfs(CLIPPED));
    meter.querySelector(".fill").style.width = `${(100 * (shown + 60)) / 60}%`;
    meter.setAttribute("aria-valuenow", shown.toFixed(0));
    meter.setAttribute("aria-valuetext", say("{0} decibels", rms.toFixed(0)));
    $("level-text").textContent = `${rms.toFixed(0)} dB`;
  }

  #hint() {
    if (this.#recent.length < MEMORY) return "";
    const peak = Math.max(...this.#recent.map(([most]) => most));
    const loudest = Math.max(...this.#recent.map(([, rms]) => rms));
    if (peak < SILENT) return say("No sound arrives: is the microphone muted?");
    if (peak >= dbfs(CLIPPED)) return say("Too loud, it clips: move away, or turn the microphone down.");
    if (loudest < QUIET) return say("Very quiet: come closer, or turn the microphone up.");
    return "";
  }
}

/** The segments as a table; pressing a time plays from there. */
export class Table {
  #segments = [];

  constructor(onTime) {
    this.onTime = onTime;
  }

  clear() {
    this.show([], false);
  }

  show(segments, playable) {
    this.#segments = segments;
    const rows = segments.map(({ start, end, label, confidence }) => {
      const row = document.createElement("tr");
      const cells = [clock(start), clock(end), say(label), percent(confidence)].map((text) => {
        const cell = document.createElement("td");
        cell.textContent = text;
        return cell;
      });
      if (playable) {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = clock(start);
        button.setAttribute("aria-label", say("Play from {0}", clock(start)));
        button.addEventListener("click", () => this.onTime(start));
        cells[0].replaceChildren(button);
      }
      cells[2].prepend(faceOf(label));
      row.append(...cells);
      return row;
    });
    document.querySelector("#segments tbody").replaceChildren(...rows);
  }

  /** Show which segment a time lies in. */
  mark(time) {
    [...document.querySelectorAll("#segments tbody tr")].forEach((row, i) => {
      const { start, end } = this.#segments[i];
      row.classList.toggle("now", time >= start && time < end);
    });
  }
}

/** Peak and root mean square, in dB relative to full scale. */
function measured(samples) {
  let peak = 0;
  let energy = 0;
  for (const sample of samples) {
    peak = Math.max(peak, Math.abs(sample));
    energy += sample * sample;
  }
  return [dbfs(peak), dbfs(Math.sqrt(energy / samples.length))];
}
