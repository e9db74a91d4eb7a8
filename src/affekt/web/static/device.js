// Analysis on this device: the model runs in the browser.

import { Baseline, decode, loadModel } from "./affekt.js";

/** Hears with a model that the browser has loaded. */
export class DeviceEar {
  #loading = new Map(); // name of a model to the promise of it

  /** @param {() => Record<string, string>} headers for requests to the own host, such as a key */
  constructor(headers) {
    this.headers = headers;
  }

  /** Load a model, once. */
  model(name) {
    if (!this.#loading.has(name)) {
      const loading = loadModel(`models/${name}/`, { runtime: "runtime/", headers: this.headers() });
      this.#loading.set(name, loading);
      loading.catch(() => this.#loading.delete(name)); // a later try may go well
    }
    return this.#loading.get(name);
  }

  /** Analyse a whole recording, with the baseline of a voice or without. */
  async hear(name, file, onProgress, baseline) {
    const plain = await this.model(name);
    const model = baseline ? plain.withBaseline(Baseline.from(baseline)) : plain;
    const recording = await decode(file);
    const answer = await model.predict(recording);
    const found = await model.timeline(recording, { onProgress });
    return { ...answer, ...found };
  }

  /** Begin live analysis with the given windows and voice; `tell` gets each result. */
  async open(name, tell, options, { baseline, learn } = {}) {
    const plain = await this.model(name);
    const model = baseline ? plain.withBaseline(Baseline.from(baseline)) : plain;
    const stream = model.stream({ ...options, learn });
    return {
      sampleRate: model.sampleRate,
      push: async (samples) => tell(await stream.push(samples)),
      close: async () => {
        const last = await stream.flush();
        tell({ ...last, baseline: learn && stream.baseline.count ? stream.baseline.toJSON() : null });
      },
    };
  }
}
