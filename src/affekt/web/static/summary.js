// A time line in a few words that are true: those of `affekt.formats.summary`.

import { UNCERTAIN } from "./segmenter.js";
import { say } from "./words.js";

const MOSTLY = 0.5; // share of the time above which a recording is mostly one emotion
const LARGEST_SHARES = 3; // emotions that a mixed recording is described by
const FURTHER = 2; // emotions that are named beside what it mostly is
const SHORTEST = 2; // seconds of an emotion that is named beside it
const BRIDGED = 3; // seconds between two segments of one stretch

/** How many emotions the segments name. */
export function emotionsIn(segments) {
  return new Set(segments.map(({ label }) => label).filter((label) => label !== UNCERTAIN)).size;
}

/** What segments come to: `mostly neutral, angry from 12:40 to 14:05`. */
export function inWords(segments) {
  const seconds = new Map();
  for (const { label, start, end } of segments) seconds.set(label, (seconds.get(label) ?? 0) + end - start);
  const total = [...seconds.values()].reduce((sum, one) => sum + one, 0);
  const ranked = [...seconds].sort((one, other) => other[1] - one[1]);
  if (!(total > 0)) return say("no answer");
  const [first, most] = ranked[0];
  if (ranked.length === 1) return say(first);
  const share = (label) => `${Math.round((100 * seconds.get(label)) / total)}%`;
  if (most / total <= MOSTLY) {
    const parts = ranked.slice(0, LARGEST_SHARES).map(([label]) => `${say(label)} ${share(label)}`);
    return say("mixed: {0}", parts.join(", "));
  }
  const told = [say("mostly {0}", say(first))];
  for (const [label, own] of ranked.filter(([name]) => name !== first && name !== UNCERTAIN).slice(0, FURTHER)) {
    if (own < SHORTEST) break;
    const [start, end] = longest(segments, label);
    const where = say("from {0} to {1}", moment(start), moment(end));
    told.push(`${say(label)} ${end - start >= MOSTLY * own ? where : say("in {0} of the time", share(label))}`);
  }
  return told.join(", ");
}

/** Start and end of the longest stretch of a label with no other in between. */
function longest(segments, label) {
  const found = [];
  let before = "";
  for (const one of segments) {
    if (one.label === label) {
      const goesOn = before === label && one.start - found.at(-1)[1] <= BRIDGED;
      found.push([goesOn ? found.pop()[0] : one.start, one.end]);
    }
    before = one.label;
  }
  return found.reduce((best, one) => (one[1] - one[0] > best[1] - best[0] ? one : best));
}

function moment(seconds) {
  const whole = Math.round(seconds);
  const pad = (value) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
}
