// What the page knows of the voice of the person before it: baselines, kept in this browser.

const VOICES = "affekt-voice"; // by model, what a file of `affekt baseline` holds
const WANTED = "affekt-learn";

export class KeptVoice {
  #voices;

  constructor() {
    try {
      this.#voices = { ...JSON.parse(localStorage.getItem(VOICES)) };
    } catch {
      this.#voices = {}; // damaged
    }
  }

  /** Whether the voice is to be learnt and used. */
  get wanted() {
    return localStorage.getItem(WANTED) === "yes";
  }

  set wanted(yes) {
    localStorage.setItem(WANTED, yes ? "yes" : "no");
  }

  /** Whether anything is kept. */
  get any() {
    return Object.keys(this.#voices).length > 0;
  }

  /** The baseline for a model; undefined where there is none. */
  of(model) {
    return this.#voices[model];
  }

  /** The same where it is to be used. */
  used(model) {
    return this.wanted ? this.#voices[model] : undefined;
  }

  keep(model, baseline) {
    this.#voices[model] = baseline;
    localStorage.setItem(VOICES, JSON.stringify(this.#voices));
  }

  /** Delete all of it. */
  forget() {
    this.#voices = {};
    localStorage.removeItem(VOICES);
  }
}
