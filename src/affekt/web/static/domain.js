// How unlike its training data a model finds a recording: noise, music, another way of recording.
// As affekt's Python scores it, from the numbers that the model's configuration carries.

export const OOD_LIMIT = 1; // the score from which on a recording is unlike the training data

/**
 * Read where a model's embeddings of speech lie.
 * @param {object} config the contents of `config.json`
 * @returns {{mean: Float32Array, scale: Float32Array, basis: Float32Array[],
 *   limits: [number, number][]} | null} null where nobody measured
 */
export function readDomain({ domain }) {
  if (!domain) return null;
  const [mean, scale, flat] = [domain.mean, domain.scale, domain.basis].map(unpacked);
  const basis = Array.from({ length: domain.rank }, (_, i) =>
    flat.subarray(i * mean.length, (i + 1) * mean.length),
  );
  return { mean, scale, basis, limits: domain.limits };
}

/**
 * Score an embedding: what of it lies outside of the space of speech, relative to what held-out
 * speech of that length leaves there.
 * @returns {number | null} from 0 up; null for a recording too short to tell
 */
export function oodScore({ mean, scale, basis, limits }, embedding, duration) {
  if (duration < limits[0][0]) return null;
  const scaled = embedding.map((value, i) => (value - mean[i]) / scale[i]);
  const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  const inside = basis.reduce((sum, direction) => sum + dot(scaled, direction) ** 2, 0);
  const outside = Math.max(0, dot(scaled, scaled) - inside) / mean.length;
  return outside / limitAt(limits, duration);
}

/** The limit for a length: between two, over the logarithm of the length. */
function limitAt(limits, duration) {
  const next = limits.findIndex(([seconds]) => seconds >= duration);
  if (next < 0) return limits.at(-1)[1];
  if (next === 0) return limits[0][1];
  const [[before, low], [after, high]] = [limits[next - 1], limits[next]];
  const share = Math.log(duration / before) / Math.log(after / before);
  return low + share * (high - low);
}

/** Numbers of 16 bits in base64. */
function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 2 }, (_, i) => half(view.getUint16(2 * i, true)));
}

/** A number of 16 bits, as IEEE 754 has it. */
function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
