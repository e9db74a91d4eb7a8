// How an emotion is shown: a face, a colour and its name, so that no meaning rests on colour alone.
// Colours are Okabe and Ito's, which people with any colour vision tell apart.

/** Strokes of each face on a field of 24 x 24. */
const FACES = {
  angry: "M6.6 8.2l3.2 1.7M17.4 8.2l-3.2 1.7M8.8 11.6v.01M15.2 11.6v.01M8.4 17q3.6-2.8 7.2 0",
  boredom: "M7.2 10.2h3M13.8 10.2h3M9 16.3h5.5l1.3-.9",
  calm: "M7.2 10q1.5 1.5 3 0M13.8 10q1.5 1.5 3 0M9 14.8q3 2.2 6 0",
  disgust: "M7.4 9.2l2.6 1.2M16.6 9.2L14 10.4M7.4 16.2q1.5-2 3.1 0t3.1 0t3 0",
  fearful: "M6.8 7.9l2.8-1.5M17.2 7.9l-2.8-1.5M8.7 10.8v.01M15.3 10.8v.01M9.3 16a2.7 1.8 0 1 0 5.4 0a2.7 1.8 0 1 0-5.4 0",
  happy: "M8.7 9.6v.01M15.3 9.6v.01M7.4 13.6q4.6 5.4 9.2 0",
  neutral: "M8.7 10v.01M15.3 10v.01M8.4 15.6h7.2",
  sad: "M6.8 9.2l2.6-1.5M17.2 9.2l-2.6-1.5M8.8 11.4v.01M15.2 11.4v.01M8.2 17.2q3.8-3.6 7.6 0M17.8 12.6v1.6",
  surprised: "M6.9 7.6q1.6-1.5 3.2 0M13.9 7.6q1.6-1.5 3.2 0M8.7 10.6v.01M15.3 10.6v.01M10.1 16a1.9 2.3 0 1 0 3.8 0a1.9 2.3 0 1 0-3.8 0",
};
const QUESTION = "M9.4 9.6a2.7 2.7 0 1 1 4 2.4q-1.4.8-1.4 2.1M12 17v.01";
const DARK = new Set(["boredom", "sad"]); // colours on which light strokes are read best
const SVG = "http://www.w3.org/2000/svg";

/** The colour of an emotion in the theme at hand. */
export function colourOf(label) {
  const style = getComputedStyle(document.documentElement);
  return style.getPropertyValue(`--${label}`).trim() || style.getPropertyValue("--track").trim();
}

/** The colour of strokes and words on that colour. */
export function inkOn(label) {
  if (!(label in FACES)) return getComputedStyle(document.documentElement).getPropertyValue("--ink");
  return DARK.has(label) ? "#ffffff" : "#14161a";
}

/** Strokes of the face, for a canvas. */
export function strokesOf(label) {
  return FACES[label] ?? QUESTION;
}

/** A face as an SVG element; the name beside it says the same. */
export function faceOf(label) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const disc = document.createElementNS(SVG, "circle");
  for (const [name, value] of Object.entries({ class: "disc", cx: 12, cy: 12, r: 11.5 })) {
    disc.setAttribute(name, value);
  }
  disc.style.fill = `var(--${label in FACES ? label : "track"})`;
  const strokes = document.createElementNS(SVG, "path");
  strokes.setAttribute("class", "glyph");
  strokes.setAttribute("d", strokesOf(label));
  strokes.style.stroke = label in FACES ? inkOn(label) : "var(--ink)";
  svg.append(disc, strokes);
  return svg;
}

/** 0.712 as "71 %". */
export function percent(share) {
  return `${Math.round(100 * share)} %`;
}

/** 83.4 as "1:23.4", or as "1:23" without tenths. */
export function clock(seconds, tenths = true) {
  const rounded = tenths ? Math.round(seconds * 10) / 10 : Math.floor(seconds);
  const rest = rounded % 60;
  return `${Math.floor(rounded / 60)}:${(tenths ? rest.toFixed(1) : String(rest)).padStart(tenths ? 4 : 2, "0")}`;
}
