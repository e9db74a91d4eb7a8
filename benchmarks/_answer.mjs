// The same as _answer.py with the engine for browsers, onnxruntime-web:
//
//   node _answer.mjs ENGINE SOUNDS.f32 LENGTHS.json ROUNDS GRAPH... > ANSWERS.json

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [engine, sounds, lengths, rounds, ...graphs] = process.argv.slice(2);
const folder = pathToFileURL(`${engine}/`);
const ort = await import(new URL("ort.wasm.min.mjs", folder).href);
ort.env.wasm.wasmPaths = folder.href;
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmBinary = readFileSync(new URL("ort-wasm-simd-threaded.wasm", folder));

const bytes = readFileSync(sounds);
const samples = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
const waveforms = [];
let start = 0;
for (const length of JSON.parse(readFileSync(lengths, "utf-8"))) {
  waveforms.push(samples.slice(start, start + length));
  start += length;
}

const answers = {};
const ms = {};
for (const graph of graphs) {
  const session = await ort.InferenceSession.create(new Uint8Array(readFileSync(graph)));
  const run = async (waveform) => {
    const inputs = { waveform: new ort.Tensor("float32", waveform, [1, waveform.length]) };
    return Array.from((await session.run(inputs)).probabilities.data);
  };
  answers[graph] = [];
  for (const waveform of waveforms) answers[graph].push(await run(waveform));
  const times = [];
  for (let round = 0; round < Number(rounds); round += 1) {
    const started = process.cpuUsage();
    await run(waveforms[0]);
    times.push(process.cpuUsage(started).user / 1000);
  }
  times.sort((one, other) => one - other);
  ms[graph] = times[Math.floor(times.length / 2)] ?? null;
}
console.log(JSON.stringify({ instructions: ["WebAssembly"], answers, ms }));
