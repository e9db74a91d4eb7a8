// Valence, arousal and dominance: of an answer, and the plane that shows the first two.

import { DIMENSIONS, NORMS } from "./fields.js";

const SVG = "http://www.w3.org/2000/svg";
const TRAIL = 24; // answers that the trail goes back
const ROUNDING = 1e-5; // as in affekt.results

/** An answer with its dimensions: as the model says, else derived from the scores by norms. */
export function withDimensions(answer) {
  const labels = Object.keys(answer.scores);
  const known = DIMENSIONS.some((name) => answer[name] !== undefined);
  if (known && answer.dimensions !== "derived") return { ...answer, dimensions: "trained" };
  if (!labels.length || !labels.every((label) => label in NORMS)) return answer;
  const total = labels.reduce((sum, label) => sum + answer.scores[label], 0) || 1;
  const found = DIMENSIONS.map((name, axis) => {
    const value = labels.reduce((sum, label) => sum + answer.scores[label] * NORMS[label][axis], 0) / total;
    return [name, Math.abs(answer[name] - value) <= ROUNDING ? answer[name] : value];
  });
  return { ...answer, ...Object.fromEntries(found), dimensions: "derived" };
}

/** The plane of valence (to the right) and arousal (upwards), with a trail of the last answers. */
export class Plane {
  #points = [];

  /** Draw into a figure: an SVG, and the same in words below, in the language of `say`. */
  constructor(figure, say) {
    this.figure = figure;
    this.say = say;
    this.svg = figure.querySelector("svg");
    this.words = figure.querySelector("figcaption");
    this.clear();
  }

  /** Forget the trail. */
  clear() {
    this.#points = [];
    this.figure.hidden = true;
  }

  /** Add an answer, or show those of a whole recording; without dimensions, nothing. */
  show(...answers) {
    const known = answers.filter(({ valence, arousal }) => valence !== undefined && arousal !== undefined);
    if (!known.length) return;
    this.#points.push(...known.map(({ valence, arousal }) => [100 * valence, -100 * arousal]));
    this.#points = this.#points.slice(-TRAIL);
    const { valence, arousal, dimensions } = known.at(-1);
    const from = this.say(dimensions === "derived" ? "derived from the probabilities" : "as the model says");
    this.words.textContent = this.say("Valence {0}, arousal {1}, {2}", signed(valence), signed(arousal), from);
    const trail = document.createElementNS(SVG, "polyline");
    trail.setAttribute("points", this.#points.map((point) => point.map((v) => v.toFixed(1)).join()).join(" "));
    const dot = document.createElementNS(SVG, "circle");
    const [cx, cy] = this.#points.at(-1);
    for (const [name, value] of Object.entries({ cx, cy, r: 7 })) dot.setAttribute(name, value);
    this.svg.querySelector("g").replaceChildren(trail, dot);
    this.figure.hidden = false;
  }
}

function signed(value) {
  return (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);
}
