// Analysis on the server: files go to it whole, the microphone as a stream.

import { AffektError } from "./errors.js";

const CLOSING = 10000; // ms to wait for the last answers

/** The server wants a key, or another one. */
export class KeyNeeded extends AffektError {}

/** Hears with the models of the server that this page came from. */
export class ServerEar {
  key = "";

  /** What every request carries. */
  headers() {
    return this.key ? { Authorization: `Bearer ${this.key}` } : {};
  }

  /** The server's models, the default one first. */
  async models() {
    const { data } = await this.#ask("v1/models");
    return data;
  }

  /** Analyse a whole recording, with the baseline of a voice or without. */
  async hear(name, file, onProgress, baseline) {
    const body = new FormData();
    body.append("file", file, file.name || "recording");
    body.append("model", name);
    if (baseline) body.append("baseline", JSON.stringify(baseline));
    body.append("response_format", "verbose_json");
    body.append("timestamp_granularities[]", "segment");
    const answer = await this.#ask("v1/audio/emotions", { method: "POST", body });
    const segments = answer.segments ?? [];
    return { ...answer, segments, measurements: segments };
  }

  /** Begin live analysis with the given windows and voice; `tell` gets each result. */
  async open(name, tell, options, { baseline, learn } = {}) {
    const url = new URL(`v1/stream?model=${encodeURIComponent(name)}`, document.baseURI);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const protocols = this.key ? ["affekt", `affekt-key.${this.key}`] : ["affekt"];
    const session = await new Session(new WebSocket(url, protocols), tell).started;
    session.update({ ...options, ...(baseline ? { baseline } : {}), learn: Boolean(learn) });
    return session;
  }

  async #ask(path, options = {}) {
    let response;
    try {
      response = await fetch(path, { ...options, headers: this.headers() });
    } catch {
      throw new AffektError("the server cannot be reached: check that it runs, and the connection");
    }
    if (response.ok) return response.json();
    const told = await response.json().catch(() => null);
    const message = told?.error?.message ?? `the server answered with status ${response.status}`;
    if (response.status === 401) throw new KeyNeeded(this.key ? message : "the server asks for a key");
    if (response.status === 429) {
      const wait = response.headers.get("Retry-After");
      throw new AffektError(`the server is busy: try again${wait ? ` in ${wait} s` : ""}`);
    }
    throw new AffektError(message);
  }
}

/** One WebSocket session: sound goes up, events come down. */
class Session {
  #socket;
  #tell;
  #closed;

  constructor(socket, tell) {
    this.#socket = socket;
    this.#tell = tell;
    this.#closed = new Promise((done) => socket.addEventListener("close", done));
    /** Settles with the session when the server listens. */
    this.started = new Promise((opened, refused) => {
      socket.onmessage = ({ data }) => {
        const event = JSON.parse(data);
        if (event.type === "session.created") {
          this.sampleRate = event.session.sample_rate;
          opened(this);
        }
        this.#hear(event);
      };
      socket.addEventListener("close", () => {
        refused(new AffektError("the server does not listen: it is full, or asks for a key"));
      });
    });
  }

  /** Say how to listen, before the first sound. */
  update(options) {
    this.#socket.send(JSON.stringify({ type: "session.update", session: options }));
  }

  /** Send samples as 16-bit integers. */
  async push(samples) {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    const integers = new DataView(new ArrayBuffer(2 * samples.length));
    samples.forEach((sample, i) => {
      integers.setInt16(2 * i, Math.round(Math.max(-1, Math.min(1, sample)) * 32767), true);
    });
    this.#socket.send(integers.buffer);
  }

  /** Say that no more sound follows, and wait for the last answers. */
  async close() {
    if (this.#socket.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify({ type: "session.close" }));
    }
    await Promise.race([this.#closed, new Promise((late) => setTimeout(late, CLOSING))]);
    this.#socket.close();
  }

  #hear(event) {
    if (event.type === "measurement.result") {
      this.#tell({ measurements: [event], segments: [] });
    } else if (event.type === "utterance.end") {
      this.#tell({ measurements: [], segments: event.segments });
    } else if (event.type === "session.baseline") {
      this.#tell({ measurements: [], segments: [], baseline: event.baseline });
    } else if (event.type === "error") {
      this.#tell({ measurements: [], segments: [], error: event.error.message });
    } else if (event.type === "session.closed" && event.reason !== "client") {
      const reasons = {
        idle: "no sound came for too long",
        expired: "the session reached its longest time",
        shutdown: "the server stops",
        error: "the server failed",
      };
      this.#tell({ measurements: [], segments: [], ended: reasons[event.reason] });
    }
  }
}
