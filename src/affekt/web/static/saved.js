// A time line as a file: CSV, SRT, TextGrid, or a report. The texts are those that affekt's Python
// writes, so that tools need not know where a file comes from.

import { clock, percent } from "./emotions.js";
import { DIMENSIONS, EXTRAS, MEASURES } from "./fields.js";

/**
 * @typedef {object} Saved
 * @property {string} name of the recording
 * @property {number} duration in seconds
 * @property {string[]} labels
 * @property {Segment[]} segments
 * @property {string[]} warnings
 * @property {Quality} [quality] of the recording, where it was measured
 * @property {number} [ood_score] how unlike the training data it is
 * @property {{name: string, value: string}[]} facts of the model
 * @property {string} [picture] a data address
 */

export const FORMATS = {
  csv: { write: toCsv, type: "text/csv", suffix: "csv" },
  srt: { write: toSrt, type: "application/x-subrip", suffix: "srt" },
  textgrid: { write: toTextGrid, type: "text/plain", suffix: "TextGrid" },
  html: { write: toHtml, type: "text/html", suffix: "html" },
};

/** @param {Saved} saved */
export function toCsv({ name, labels, segments, quality, warnings, ood_score }) {
  const whole = { ...quality, ood_score };
  const extras = Object.keys(EXTRAS);
  const measures = Object.keys(MEASURES);
  const columns = ["file", "start", "end", "label", "confidence", ...extras, "speaker", ...labels, ...measures];
  const rows = [[...columns, "warnings", "error"]];
  for (const segment of segments) {
    const { start, end, label, confidence, scores, warnings: own = [] } = segment;
    rows.push([
      ...[name, number(start), number(end), label, number(confidence)],
      ...extras.map((key) => number(segment[key], EXTRAS[key].digits)),
      ...[segment.speaker ?? ""],
      ...labels.map((emotion) => number(scores[emotion])),
      ...measures.map((key) => number(segment[key] ?? whole[key], MEASURES[key])),
      ...[distinct(own, warnings).join("; "), ""],
    ]);
  }
  const cell = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return rows.map((row) => row.map(cell).join(",") + "\n").join("");
}

/** @param {Saved} saved */
export function toSrt({ segments }) {
  return placed(segments)
    .map(([start, end, segment], i) => {
      const { label, confidence } = segment;
      const times = `${subtitleClock(start)} --> ${subtitleClock(end)}`;
      const said = [`${label} ${Math.round(100 * confidence)}%`, ...extrasOf(segment)].join(", ");
      return `${i + 1}\n${times}\n${said}\n\n`;
    })
    .join("");
}

/** @param {Saved} saved */
export function toTextGrid({ duration, segments, warnings }) {
  const parts = placed(segments);
  const end = Math.max(Math.round(1000 * duration), parts.at(-1)?.[1] ?? 0, 1);
  const tiers = {
    emotion: parts.map(([a, b, { label }]) => [a, b, label]),
    confidence: parts.map(([a, b, { confidence }]) => [a, b, confidence.toFixed(4)]),
    ...extraTiers(parts),
    warnings: parts.map(([a, b, { warnings: own = [] }]) => [a, b, own.join("; ")]),
  };
  const notes = warnings.slice(0, end + 1);
  const lines = [
    'File type = "ooTextFile"',
    'Object class = "TextGrid"',
    "",
    ...span(0, end, ""),
    "tiers? <exists>",
    `size = ${Object.keys(tiers).length + (notes.length ? 1 : 0)}`,
    "item []:",
  ];
  Object.entries(tiers).forEach(([name, intervals], index) => {
    const rows = filled(intervals, end);
    lines.push(...tierHead(index + 1, "IntervalTier", name, end), `        intervals: size = ${rows.length}`);
    rows.forEach(([start, stop, text], row) => {
      lines.push(
        `        intervals [${row + 1}]:`,
        ...span(start, stop, " ".repeat(12)),
        `            text = ${quoted(text)}`,
      );
    });
  });
  if (notes.length) {
    lines.push(...tierHead(Object.keys(tiers).length + 1, "TextTier", "recording", end), `        points: size = ${notes.length}`);
    notes.forEach((text, i) => {
      const point = [`points [${i + 1}]:`, `    number = ${i / 1000}`];
      lines.push(...[...point, `    mark = ${quoted(`warning: ${text}`)}`].map((line) => " ".repeat(8) + line));
    });
  }
  return lines.map((line) => line + "\n").join("");
}

/** @param {Saved} saved */
export function toHtml({ name, duration, segments, warnings, facts, picture }) {
  const rows = segments.map(
    ({ start, end, label, confidence }) =>
      `<tr><td>${clock(start)}</td><td>${clock(end)}</td><td>${escaped(label)}</td><td>${percent(confidence)}</td></tr>`,
  );
  const known = facts.map(({ name: fact, value }) => `<dt>${escaped(fact)}</dt><dd>${escaped(value)}</dd>`);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>affekt: ${escaped(name)}</title>
<style>
:root { color-scheme: light; }
body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; color: #17181c; background: #fff; }
img { width: 100%; } table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #d9dce3; font-variant-numeric: tabular-nums; }
dl { display: grid; grid-template-columns: 9rem 1fr; gap: .3rem 1rem; } dt { color: #565b66; } dd { margin: 0; }
.alert { color: #8f3d00; }
</style></head><body>
<h1>${escaped(name)}</h1>
<p>${clock(duration)} long, ${segments.length} segments.</p>
${warnings.map((text) => `<p class="alert">Note: ${escaped(text)}</p>`).join("\n")}
${picture ? `<img alt="Waveform and time line of emotions; the table below says the same" src="${picture}">` : ""}
<table><thead><tr><th>From</th><th>To</th><th>Emotion</th><th>Probability</th></tr></thead>
<tbody>
${rows.join("\n")}
</tbody></table>
<p class="alert">An estimate of how speech sounds, learnt mostly from actors; not knowledge of what anyone feels. Not for judging people at work or in education, which the EU AI Act, Art. 5(1)(f), prohibits.</p>
<h2>The model</h2>
<dl>${known.join("\n")}</dl>
</body></html>
`;
}

/** A value as tables write it, numbers rounded to their digits; empty where it is not known. */
function number(value, digits = 6) {
  if (typeof value !== "number") return Array.isArray(value) ? value.join("; ") : (value ?? "");
  return Number(value.toFixed(digits)).toFixed(6);
}

/** What a segment says beside its emotion, for people: `intensity 62%`. */
function extrasOf(segment) {
  const derived = segment.dimensions === "derived" ? DIMENSIONS : [];
  return Object.entries(EXTRAS)
    .filter(([name, { shown }]) => shown && segment[name] !== undefined && !derived.includes(name))
    .map(([name, { shown }]) => `${name} ${asShown(segment[name], shown)}`);
}

/** A number in a format as Python has it: `.0%`, `+.2f`. */
function asShown(value, shown) {
  const [, sign, digits, kind] = /^(\+?)\.(\d+)([f%])$/.exec(shown);
  const text = kind === "%" ? `${(100 * value).toFixed(digits)}%` : value.toFixed(digits);
  return sign && value >= 0 ? `+${text}` : text;
}

/** By name, a tier for what segments say beside the emotion. */
function extraTiers(parts) {
  const names = Object.keys(EXTRAS).filter(
    (name) => EXTRAS[name].shown && parts.some(([, , segment]) => segment[name] !== undefined),
  );
  return Object.fromEntries(
    names.map((name) => [name, parts.map(([a, b, segment]) => [a, b, segment[name]?.toFixed(4) ?? ""])]),
  );
}

/** What is in either list, once. */
function distinct(first, second) {
  return [...new Set([...first, ...second])];
}

function escaped(text) {
  return String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** Segments with their start and end in whole milliseconds; none shorter than one. */
function placed(segments) {
  return segments
    .map((segment) => [Math.round(1000 * segment.start), Math.round(1000 * segment.end), segment])
    .filter(([start, end]) => end > start);
}

function subtitleClock(milliseconds) {
  const pad = (value, width) => String(value).padStart(width, "0");
  const seconds = Math.floor(milliseconds / 1000);
  const minutes = Math.floor(seconds / 60);
  const time = [Math.floor(minutes / 60), minutes % 60, seconds % 60].map((part) => pad(part, 2));
  return `${time.join(":")},${pad(milliseconds % 1000, 3)}`;
}

function tierHead(index, kind, name, end) {
  const head = [`class = "${kind}"`, `name = "${name}"`, ...span(0, end, "")];
  return [`    item [${index}]:`, ...head.map((line) => " ".repeat(8) + line)];
}

function quoted(text) {
  return `"${text.replaceAll('"', '""')}"`;
}

function filled(intervals, end) {
  const rows = [];
  let reached = 0;
  for (const interval of intervals) {
    if (interval[0] > reached) rows.push([reached, interval[0], ""]);
    rows.push(interval);
    reached = interval[1];
  }
  if (reached < end) rows.push([reached, end, ""]);
  return rows;
}

function span(start, end, indent) {
  return [`${indent}xmin = ${(start / 1000).toFixed(3)}`, `${indent}xmax = ${(end / 1000).toFixed(3)}`];
}
