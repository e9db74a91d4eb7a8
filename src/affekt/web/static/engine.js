// The engine: onnxruntime-web in its WebAssembly build, one thread, loaded from a folder of ours.

import { AffektError } from "./errors.js";

let loading = null;

/**
 * Load the engine, once for the page.
 * @param {string | URL} folder where `ort.wasm.min.mjs` and its `.wasm` lie
 */
export function loadEngine(folder) {
  loading ??= importEngine(new URL(String(folder).replace(/\/?$/, "/"), document.baseURI)).catch(
    (error) => {
      loading = null; // so that a later try may go well
      throw error;
    },
  );
  return loading;
}

async function importEngine(folder) {
  let ort;
  try {
    ort = await import(new URL("ort.wasm.min.mjs", folder).href);
  } catch {
    throw new AffektError(
      `the engine onnxruntime-web is not at ${folder.href}: run \`affekt export --to web\``,
    );
  }
  ort.env.wasm.wasmPaths = folder.href;
  ort.env.wasm.numThreads = 1; // more would need a page that is isolated from all others
  ort.env.logLevel = "error";
  return ort;
}

/** A graph, ready to run; runs wait for one another. */
export class Graph {
  #ort;
  #session;
  #last = Promise.resolve();

  constructor(ort, session) {
    this.#ort = ort;
    this.#session = session;
  }

  /** @param {object} ort the engine @param {ArrayBuffer} bytes an ONNX file */
  static async open(ort, bytes) {
    try {
      const options = { executionProviders: ["wasm"], graphOptimizationLevel: "all" };
      return new Graph(ort, await ort.InferenceSession.create(new Uint8Array(bytes), options));
    } catch (error) {
      throw new AffektError(`the model cannot be loaded, it may be damaged: ${error.message ?? error}`);
    }
  }

  /**
   * Run the graph.
   * @param {Record<string, [Float32Array | BigInt64Array, number[]]>} inputs values and shape by name
   * @returns {Promise<Record<string, Float32Array>>} values by name
   */
  run(inputs) {
    const turn = this.#last.then(() => this.#run(inputs));
    this.#last = turn.catch(() => {});
    return turn;
  }

  async #run(inputs) {
    const tensors = {};
    try {
      for (const [name, [values, shape]] of Object.entries(inputs)) {
        const kind = values instanceof BigInt64Array ? "int64" : "float32";
        tensors[name] = new this.#ort.Tensor(kind, values, shape);
      }
      const outputs = await this.#session.run(tensors);
      return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data]));
    } catch (error) {
      throw new AffektError(`the model failed on its input: ${error.message ?? error}`);
    }
  }
}
