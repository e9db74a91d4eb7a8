// Plays the analysed recording, and keeps the place in sight.

import { clock } from "./emotions.js";
import { say } from "./words.js";

const $ = (id) => document.getElementById(id);

export class Player {
  #audio = new Audio();
  #duration = 0;

  /** @param {(time: number) => void} onPlace called with the place in seconds whenever it has moved */
  constructor(onPlace) {
    this.onPlace = onPlace;
    $("play").addEventListener("click", () => (this.#audio.paused ? this.#audio.play() : this.pause()));
    $("seek").addEventListener("input", ({ target }) => this.go(Number(target.value)));
    this.#audio.addEventListener("play", () => {
      $("play").textContent = say("Pause");
      this.#follow();
    });
    this.#audio.addEventListener("pause", () => ($("play").textContent = say("Play")));
  }

  /** Whether there is something to play. */
  get ready() {
    return !$("transport").hidden;
  }

  /** Take a file to play; null for what nobody has kept. */
  load(file, duration) {
    this.pause();
    if (this.#audio.src) URL.revokeObjectURL(this.#audio.src);
    this.#audio.removeAttribute("src");
    this.#duration = duration;
    $("transport").hidden = !file;
    if (!file) return;
    this.#audio.src = URL.createObjectURL(file);
    $("seek").max = duration;
    this.#show(0);
  }

  pause() {
    this.#audio.pause();
  }

  /** Move to a time, in seconds. */
  go(time) {
    if (!this.ready) return;
    this.#audio.currentTime = time;
    this.#show(time);
  }

  /** Play from a time on. */
  playFrom(time) {
    this.go(time);
    this.#audio.play();
  }

  #follow() {
    this.#show(this.#audio.currentTime);
    if (!this.#audio.paused) requestAnimationFrame(() => this.#follow());
  }

  #show(time) {
    $("seek").value = time;
    $("seek").setAttribute("aria-valuetext", clock(time));
    $("place").textContent = `${clock(time, false)} / ${clock(this.#duration, false)}`;
    this.onPlace(time);
  }
}
