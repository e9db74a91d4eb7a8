// Long recordings in parts, for models that take a recording as a whole; as affekt.runtime.parts does.

const PART = 5; // seconds, where each frame depends on all others
const WHOLE = 120; // seconds, where a frame depends on its neighbours
const SILENT_PEAK = 0.001; // -60 dBFS
const NEXT_TO_NOTHING = 1e-9; // the weight of silence; where all is silent, all counts

/** Parts of a recording that the graph takes at once; the last two are of equal length. */
export function partsOf(samples, config) {
  const size = Math.round((config.receptive_field == null ? PART : WHOLE) * config.sample_rate);
  if (config.streamable || samples.length <= size) return [samples];
  const parts = [];
  let at = 0;
  for (; samples.length - at >= 2 * size; at += size) parts.push(samples.slice(at, at + size));
  const left = samples.length - at;
  const half = left > size ? Math.ceil(left / 2) : left;
  parts.push(samples.slice(at, at + half));
  if (half < left) parts.push(samples.slice(at + half));
  return parts;
}

/** Means of what the graph gives for parts, by the name of the output. */
export function meanOfParts(outputs, parts) {
  const weights = parts.map((part) => part.length * (isLoud(part) ? 1 : NEXT_TO_NOTHING));
  const total = weights.reduce((a, b) => a + b);
  const mean = (name) =>
    outputs[0][name].map((_, i) =>
      outputs.reduce((sum, output, k) => sum + output[name][i] * (weights[k] / total), 0),
    );
  return Object.fromEntries(Object.keys(outputs[0]).map((name) => [name, mean(name)]));
}

function isLoud(samples) {
  return samples.some((value) => Math.abs(value) >= SILENT_PEAK);
}
