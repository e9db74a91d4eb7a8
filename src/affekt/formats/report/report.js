"use strict";
// A recording in step with its plot: a line where it plays, a click or an arrow key to go elsewhere.
for (const section of document.querySelectorAll("section[data-seconds]")) {
  const seconds = Number(section.dataset.seconds);
  const over = section.querySelector(".over");
  const cursor = section.querySelector(".cursor");
  const now = section.querySelector(".now");
  const audio = section.querySelector("audio");
  const picker = section.querySelector("input[type=file]");
  const spans = [...section.querySelectorAll(".ribbon span")];
  const clock = (time) => {
    const minutes = Math.floor(time / 60);
    return `${minutes}:${(time - 60 * minutes).toFixed(1).padStart(4, "0")}`;
  };
  let at = 0;
  const show = (time) => {
    at = Math.min(Math.max(time, 0), seconds);
    const here = spans.filter((one) => at >= one.dataset.start && at < one.dataset.end);
    const words = `${clock(at)}  ${here.map((one) => one.title).join("; ") || "no answer here"}`;
    cursor.style.left = `${(100 * at) / seconds}%`;
    now.textContent = words;
    over.setAttribute("aria-valuenow", at.toFixed(1));
    over.setAttribute("aria-valuetext", words);
  };
  const seek = (time) => {
    show(time);
    if (audio.src) audio.currentTime = at;
  };
  const follow = () => {
    show(audio.currentTime);
    if (!audio.paused) requestAnimationFrame(follow);
  };
  audio.addEventListener("play", follow);
  for (const event of ["pause", "seeked"]) {
    audio.addEventListener(event, () => show(audio.currentTime));
  }
  over.addEventListener("click", (event) => {
    const box = over.getBoundingClientRect();
    seek((seconds * (event.clientX - box.left)) / box.width);
  });
  over.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: 1, ArrowLeft: -1, PageUp: 10, PageDown: -10 };
    if (event.key in steps) seek(at + steps[event.key]);
    else if (event.key === "Home") seek(0);
    else if (event.key === "End") seek(seconds);
    else if (event.key === " " && audio.src) audio.paused ? audio.play() : audio.pause();
    else return;
    event.preventDefault();
  });
  if (picker) {
    picker.addEventListener("change", () => {
      audio.src = URL.createObjectURL(picker.files[0]);
      audio.hidden = false;
    });
  }
  show(0);
}
