/** @returns {Float32Array} both, one after the other */
export function joinSamples(a, b) {
  const joined = new Float32Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}
