"use strict";
// A recording in step with its plot: a line where it plays, a click or an arrow key to go elsewhere,
// zoom, and a table of the segments that is sorted and filtered.
const SHORTEST_VIEW = 5; // seconds that are seen at the largest zoom
const TICK_STEPS = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600]; // seconds
const TICK_WIDTH = 70; // pixels, at least

for (const section of document.querySelectorAll("section[data-seconds]")) {
  const seconds = Number(section.dataset.seconds);
  const over = section.querySelector(".over");
  const cursor = section.querySelector(".cursor");
  const now = section.querySelector(".now");
  const audio = section.querySelector("audio");
  const picker = section.querySelector("input[type=file]");
  const spans = [...section.querySelectorAll(".ribbon span")];
  const scroll = section.querySelector(".scroll");
  const rows = section.querySelector(".rows");
  const axis = section.querySelector(".axis");
  const tools = section.querySelector(".tools");
  const clock = (time) => {
    const tenths = Math.round(10 * time);
    const minutes = Math.floor(tenths / 600);
    const rest = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
    const hours = Math.floor(minutes / 60);
    return hours ? `${hours}:${String(minutes % 60).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
  };
  const largest = Math.max(1, seconds / SHORTEST_VIEW);
  let zoom = 1;
  let at = 0;
  const show = (time) => {
    at = Math.min(Math.max(time, 0), seconds);
    const here = spans.filter((one) => at >= one.dataset.start && at < one.dataset.end);
    const words = `${clock(at)}  ${here.map((one) => one.title).join("; ") || "no answer here"}`;
    cursor.style.left = `${(100 * at) / seconds}%`;
    now.textContent = words;
    over.setAttribute("aria-valuenow", at.toFixed(1));
    over.setAttribute("aria-valuetext", words);
    const names = over.offsetLeft;
    const place = names + (over.offsetWidth * at) / seconds;
    const seen = [scroll.scrollLeft + names, scroll.scrollLeft + scroll.clientWidth];
    if (zoom > 1 && (place < seen[0] || place > seen[1])) {
      scroll.scrollLeft = place - (names + scroll.clientWidth) / 2;
    }
  };
  const layOut = () => {
    const width = axis.offsetWidth;
    const least = (TICK_WIDTH * seconds) / width;
    const step = TICK_STEPS.find((one) => one >= least) ?? 7200;
    axis.replaceChildren();
    for (let time = 0; time < seconds; time += step) {
      const left = (width * time) / seconds;
      if (width - left < TICK_WIDTH / 2) break;
      const tick = document.createElement("span");
      tick.className = "tick";
      tick.textContent = step < 1 ? clock(time) : clock(time).replace(/\.0$/, "");
      tick.style.left = `${left}px`;
      axis.append(tick);
    }
    for (const one of spans) one.classList.remove("tight");
    const tight = spans.filter((one) => one.scrollWidth > one.clientWidth);
    for (const one of tight) one.classList.add("tight");
  };
  // What lies under a place of the window stays there.
  const zoomTo = (factor, x) => {
    const names = over.offsetLeft;
    const share = (scroll.scrollLeft + x - names) / over.offsetWidth;
    zoom = Math.min(Math.max(factor, 1), largest);
    rows.style.setProperty("--zoom", zoom);
    scroll.scrollLeft = share * over.offsetWidth + names - x;
    layOut();
  };
  const zoomAtCursor = (factor) => {
    const x = over.offsetLeft + (over.offsetWidth * at) / seconds - scroll.scrollLeft;
    const middle = (over.offsetLeft + scroll.clientWidth) / 2;
    zoomTo(factor, x >= over.offsetLeft && x <= scroll.clientWidth ? x : middle);
  };
  const zooms = { in: () => 2 * zoom, out: () => zoom / 2, all: () => 1 };
  tools.hidden = false;
  tools.addEventListener("click", (event) => {
    const name = event.target.dataset.zoom;
    if (name) zoomAtCursor(zooms[name]());
  });
  scroll.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      const x = event.clientX - scroll.getBoundingClientRect().left;
      zoomTo(zoom * 2 ** (-event.deltaY / 200), x);
    },
    { passive: false },
  );
  addEventListener("resize", layOut);
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
    const starts = spans.map((one) => Number(one.dataset.start)).sort((a, b) => a - b);
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in steps) seek(at + steps[event.key]);
    else if (event.key === "+" || event.key === "=") zoomAtCursor(2 * zoom);
    else if (event.key === "-") zoomAtCursor(zoom / 2);
    else if (event.key === "0") zoomAtCursor(1);
    else if (event.key === "n") seek(starts.find((one) => one > at + 0.05) ?? at);
    else if (event.key === "p") seek(starts.findLast((one) => one < at - 0.05) ?? 0);
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
  section.addEventListener("click", (event) => {
    const time = event.target.dataset.seek;
    if (time === undefined) return;
    seek(Number(time));
    if (audio.src) audio.play();
  });
  layOut();
  show(0);
}

for (const table of document.querySelectorAll("table.segments")) {
  const body = table.tBodies[0];
  const value = (row, column) => {
    const cell = row.cells[column];
    const number = parseFloat(cell.dataset.value ?? cell.textContent);
    return Number.isNaN(number) ? cell.textContent : number;
  };
  const compare = (a, b) => {
    if (typeof a === typeof b) return typeof a === "number" ? a - b : a.localeCompare(b);
    return typeof a === "number" ? -1 : 1; // what is not known comes last
  };
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.className = "sort";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.ariaSort === "ascending";
      for (const other of table.tHead.rows[0].cells) other.ariaSort = null;
      head.ariaSort = down ? "descending" : "ascending";
      const sorted = [...body.rows].sort(
        (a, b) => (down ? -1 : 1) * compare(value(a, column), value(b, column)),
      );
      body.append(...sorted);
    });
  });
  const filters = table.closest("details").querySelector(".filters");
  if (!filters) continue;
  const fields = [...filters.querySelectorAll("[data-filter]")];
  const choose = () => {
    let count = 0;
    for (const row of body.rows) {
      row.hidden = !fields.every(({ dataset: { filter }, value: wanted }) =>
        filter === "confidence"
          ? 100 * row.dataset.confidence >= Number(wanted)
          : wanted === "" || row.dataset[filter] === wanted,
      );
      count += row.hidden ? 0 : 1;
    }
    filters.querySelector("output").textContent = `${count} of ${body.rows.length}`;
  };
  filters.hidden = false;
  filters.addEventListener("input", choose);
  choose();
}
