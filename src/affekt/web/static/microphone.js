// The microphone as a stream of samples at the rate that a model wants.

import { AffektError } from "./errors.js";
import { Resampler } from "./resample.js";

const REFUSALS = {
  NotAllowedError: "the microphone was not allowed: allow it in the browser's address bar",
  NotFoundError: "no microphone was found: plug one in",
  NotReadableError: "the microphone is used by another program: close that first",
};

/** Listens until it is stopped. */
export class Microphone {
  #stream = null;
  #context = null;
  #tap = null;

  /**
   * Ask for the microphone and begin to listen.
   * @param {(samples: Float32Array) => void} onSamples mono samples, about 20 times a second
   * @param {{sampleRate?: number, onEnd?: () => void}} [options] rate wanted, in Hz; and what to
   *   do when the microphone is taken away
   */
  async start(onSamples, { sampleRate = 16000, onEnd = () => {} } = {}) {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new AffektError("this page may not listen: open it over https or from localhost");
    }
    try {
      // As the model learnt: no processing that would level or clean the voice.
      this.#stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
      });
    } catch (error) {
      throw new AffektError(REFUSALS[error.name] ?? `the microphone failed: ${error.message}`);
    }
    this.#stream.getAudioTracks()[0].addEventListener("ended", onEnd);
    this.#context = new AudioContext();
    await this.#context.audioWorklet.addModule(new URL("microphone-worklet.js", import.meta.url));
    this.#tap = new AudioWorkletNode(this.#context, "affekt-microphone", { numberOfOutputs: 0 });
    const rate = this.#context.sampleRate;
    const resampler = rate === sampleRate ? null : new Resampler(rate, sampleRate);
    this.#tap.port.onmessage = ({ data }) => onSamples(resampler ? resampler.push(data) : data);
    this.#context.createMediaStreamSource(this.#stream).connect(this.#tap);
    await this.#context.resume();
  }

  /** Stop listening and give the microphone back; no samples come after. */
  async stop() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    const [context, tap] = [this.#context, this.#tap];
    this.#stream = this.#context = this.#tap = null;
    if (context && context.state !== "closed") await context.close();
    if (tap) tap.port.onmessage = null;
  }
}
