// The page: what is there, what was chosen, and what is shown of it.

import { AffektError, Microphone, decode, toMono } from "./affekt.js";
import { Answer, Level, Table } from "./parts.js";
import { DeviceEar } from "./device.js";
import { clock } from "./emotions.js";
import { describe } from "./facts.js";
import { Player } from "./player.js";
import { KeyNeeded, ServerEar } from "./remote.js";
import { KeptVoice } from "./voice.js";
import { FORMATS } from "./saved.js";
import { Envelope, Track } from "./track.js";
import { say, translate } from "./words.js";

const $ = (id) => document.getElementById(id);
const meta = (name) => document.querySelector(`meta[name="${name}"]`).content;
const LIVE = { window: 2, hop: 0.5 }; // seconds; an answer comes half a window after its moment
const THEMES = ["automatic", "light", "dark"];

const server = meta("affekt-server") === "here" ? new ServerEar() : null;
const device = new DeviceEar(() => server?.headers() ?? {});
const answer = new Answer();
const level = new Level();
const voice = new KeptVoice();
const track = new Track($("track"), []);
const player = new Player((time) => {
  track.cursor = time;
  track.draw();
  table.mark(time);
});
const table = new Table((time) => player.playFrom(time));

let models = []; // what can be chosen: {id, labels, facts}
let heard = null; // the last time line: {name, duration, segments, warnings}
let live = null; // while the microphone is open
let learning = null; // the model that learns the voice, until the voice is to be forgotten

// --- what is there -----------------------------------------------------------------------------

async function start() {
  translate();
  setTheme(localStorage.getItem("affekt-theme") ?? "automatic");
  await look();
}

/** Find out where sound can be analysed, and show it. */
async function look() {
  const engine = await exists("runtime/ort.wasm.min.mjs");
  try {
    models = server ? await server.models() : await staticModels();
    $("key-form").hidden = true;
  } catch (error) {
    if (error instanceof KeyNeeded) {
      $("truth").textContent = say("No sound yet.");
      $("key-form").hidden = false;
      if (server.key) show(error);
    } else show(error);
    return;
  }
  const names = models.map(({ id }) => new Option(id, id));
  $("model").replaceChildren(...names);
  $("model-choice").hidden = models.length < 2;
  offer("device", engine);
  offer("server", Boolean(server));
  const missing = [];
  if (!engine) {
    missing.push(say("On this device: not offered here. Who runs the server can add it: affekt serve --on-device."));
  }
  if (!server) missing.push(say("On the server: there is none behind this page."));
  $("lacking").textContent = missing.join(" ");
  $("lacking").hidden = missing.length === 0;
  const wished = localStorage.getItem("affekt-where");
  const open = [wished, "device", "server"].find((where) => where && !choice(where).disabled);
  if (!open) {
    show(new AffektError("no analysis is possible here: the engine for browsers is missing"));
    return;
  }
  choice(open).checked = true;
  for (const id of ["listen", "file", "learn"]) $(id).disabled = false;
  $("learn").checked = voice.wanted;
  await chosen();
}

async function staticModels() {
  const names = meta("affekt-models").split(" ").filter(Boolean);
  return Promise.all(
    names.map(async (id) => {
      const response = await fetch(`models/${id}/config.json`);
      if (!response.ok) throw new AffektError(`the model ${id} is not there: export the page again`);
      const config = await response.json();
      return { ...config, id, labels: Object.values(config.id2label) };
    }),
  );
}

async function exists(path) {
  try {
    return (await fetch(path, { method: "HEAD" })).ok;
  } catch {
    return false;
  }
}

function choice(where) {
  return document.querySelector(`input[name="where"][value="${where}"]`);
}

function offer(where, possible) {
  choice(where).disabled = !possible;
}

function onServer() {
  return choice("server").checked;
}

function model() {
  return models.find(({ id }) => id === $("model").value) ?? models[0];
}

/** Say what is known of the voice. */
function showVoice() {
  const known = voice.of(model().id)?.affekt_baseline?.count;
  const stretches = known === 1 ? "1 stretch" : "{0} stretches";
  $("forget").hidden = !voice.any;
  if (known) {
    $("learnt").textContent =
      say(`Known from ${stretches} of speech: statistics, no sound, kept in this browser alone.`, known) +
      (voice.wanted ? "" : say(" Not used."));
  } else {
    $("learnt").textContent = voice.wanted ? say("Listen for a while: answers will fit your voice.") : "";
  }
}

/** A place or a model was chosen: show where sound goes. */
async function chosen() {
  showVoice();
  $("truth").textContent = onServer() ? serverTruth() : deviceTruth();
  const { labels } = model();
  answer.clear(labels);
  table.clear();
  track.clear(false, labels);
  heard = null;
  player.load(null, 0);
  $("results").hidden = true;
  $("track-name").textContent = "";
  $("facts").replaceChildren(
    ...describe(model()).flatMap(({ name, value }) => [element("dt", say(name)), element("dd", value)]),
  );
}

function deviceTruth() {
  return say("Sound stays on this device: the model runs in this browser, and nothing is uploaded.");
}

function serverTruth() {
  const { host, hostname, protocol } = location;
  const here = ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
  const open = protocol === "http:" && !here ? say(" The connection is not encrypted.") : "";
  const where = say(here ? "{0}, on this computer" : "{0}, over the network", host);
  return say("Sound is sent to {0}. It is analysed in memory there and not kept.{1}", where, open);
}

// --- a recording -------------------------------------------------------------------------------

async function hearFile(file) {
  if (live) await stopListening();
  clearError();
  busy(say("Hearing {0} …", file.name));
  try {
    const drawn = await waveform(file);
    const { id, labels } = model();
    track.clear(false, labels);
    const ear = onServer() ? server : device;
    const onProgress = (done) => ($("progress").value = done);
    const found = await ear.hear(id, file, onProgress, voice.used(id));
    if (drawn) track.envelope = drawn;
    heard = { name: file.name, ...found };
    showHeard(file);
    answer.show(found, say("Whole recording, {0}", clock(found.duration)));
    answer.sumUp(found.segments);
    answer.warn(found.warnings);
    answer.announce(say("{0}: {1}. {2} segments.", file.name, answer.words, found.segments.length));
  } catch (error) {
    show(error);
  } finally {
    busy(null);
  }
}

/** The sound as a picture; null for what only the server can read. */
async function waveform(file) {
  try {
    const rate = 16000;
    const envelope = new Envelope(rate);
    const samples = toMono(await decode(file), rate);
    envelope.push(samples);
    level.show(samples);
    return envelope;
  } catch (error) {
    if (onServer()) return null;
    throw error;
  }
}

/** Show the time line in `heard`; the file can be played, the sound of the microphone is gone. */
function showHeard(file) {
  const { name, duration, segments, measurements } = heard;
  Object.assign(track, { live: false, duration, segments, measurements, cursor: null });
  $("track-name").textContent = `${name}, ${clock(duration)}`;
  $("track").setAttribute("aria-label", told(segments));
  table.show(segments, Boolean(file));
  $("results").hidden = false;
  track.draw();
  player.load(file, duration);
}

function told(segments) {
  if (!segments.length) return say("Time line: no sound");
  const parts = segments.slice(0, 12).map(({ start, end, label }) =>
    say("{0} to {1} {2}", clock(start), clock(end), say(label)),
  );
  const rest = segments.length > 12 ? say(", and {0} more in the table below", segments.length - 12) : "";
  return say("Time line: {0}", parts.join(", ") + rest);
}

// --- the microphone ----------------------------------------------------------------------------

async function listen() {
  clearError();
  player.load(null, 0);
  const button = $("listen");
  button.disabled = true;
  try {
    const { id, labels } = model();
    busy(say(onServer() ? "Calling the server …" : "Loading the model …"));
    const ear = onServer() ? server : device;
    const own = { baseline: voice.used(id), learn: voice.wanted };
    learning = own.learn ? id : null;
    const session = await ear.open(id, hear, LIVE, own);
    const { sampleRate } = session;
    live = { session, microphone: new Microphone(), envelope: new Envelope(sampleRate) };
    answer.clear(labels);
    answer.wait(say("Listening …"));
    table.clear();
    track.clear(true, labels);
    track.envelope = live.envelope;
    $("results").hidden = true;
    $("track-name").textContent = say("live");
    heard = { name: "microphone", duration: 0, segments: [], measurements: [], warnings: [] };
    const onEnd = () => stopListening("the microphone was taken away");
    await live.microphone.start(onSound, { sampleRate, onEnd });
    button.setAttribute("aria-pressed", "true");
    button.querySelector("span").textContent = say("Stop");
    draw();
  } catch (error) {
    await live?.session.close();
    live = null;
    answer.clear(model().labels);
    show(error);
  } finally {
    button.disabled = false;
    busy(null);
  }
}

function onSound(samples) {
  if (!live) return;
  live.envelope.push(samples);
  level.hear(samples);
  live.session.push(samples).catch((error) => stopListening(error.message));
}

/** Something became known. */
function hear({ measurements, segments, baseline, error, ended }) {
  heard.measurements.push(...measurements);
  heard.segments.push(...segments);
  const last = measurements.at(-1);
  if (last) answer.show(last, say("{0} to {1}", clock(last.start), clock(last.end)), true);
  if (baseline && learning) {
    voice.keep(learning, baseline);
    showVoice();
  }
  if (error) show(new AffektError(error));
  if (ended && live) stopListening(ended);
}

async function stopListening(reason) {
  if (!live || live.stopping) return;
  const was = live;
  was.stopping = true;
  const button = $("listen");
  button.disabled = true;
  await was.microphone.stop(); // what is still on its way is analysed, too
  live = null;
  await was.session.close().catch(show);
  button.disabled = false;
  button.setAttribute("aria-pressed", "false");
  button.querySelector("span").textContent = say("Listen");
  heard.duration = was.envelope.duration;
  level.rest();
  showHeard(null);
  if (typeof reason === "string") show(new AffektError(`listening ended: ${reason}`));
  if (!heard.measurements.length) answer.wait(say("No sound was recorded. Speak for some seconds."));
}

/** Draw while the microphone is open. */
function draw() {
  if (!live) return;
  track.duration = live.envelope.duration;
  track.measurements = heard.measurements;
  track.segments = [...heard.segments, ...unfinished()];
  track.draw();
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  setTimeout(() => requestAnimationFrame(draw), still ? 500 : 30);
}

/** What is known after the last segment that is final. */
function unfinished() {
  const reached = heard.segments.at(-1)?.end ?? 0;
  const parts = [];
  for (const { start, end, label } of heard.measurements) {
    if (start < reached - 1e-6) continue;
    const last = parts.at(-1);
    if (last?.label === label && start - last.end < 1e-6) last.end = end;
    else parts.push({ start, end, label });
  }
  return parts;
}

// --- saving, saying -----------------------------------------------------------------------------

function save(format) {
  const { write, type, suffix } = FORMATS[format];
  const facts = describe(model());
  const picture = format === "html" ? $("track").querySelector("canvas").toDataURL() : undefined;
  const text = write({ ...heard, labels: model().labels, facts, picture });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = `${heard.name.replace(/\.\w+$/, "")}.${suffix}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function show(error) {
  if (/^(the )?baseline/.test(error.message)) {
    error.message += ": press Forget my voice, and learn it again";
  }
  $("error").textContent = error instanceof AffektError ? sentence(error.message) : `Something failed: ${error.message}`;
  $("error").hidden = false;
  if (!(error instanceof AffektError)) throw error;
}

function clearError() {
  $("error").hidden = true;
}

function sentence(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}.`.replace(/\.\.$/, ".");
}

function busy(text) {
  $("busy").hidden = text === null;
  $("busy-text").textContent = text ?? "";
  $("progress").removeAttribute("value");
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  $("theme").textContent = say(`Theme: ${theme}`);
  localStorage.setItem("affekt-theme", theme);
  track.draw();
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

$("theme").addEventListener("click", () => {
  const next = THEMES.indexOf(document.documentElement.dataset.theme) + 1;
  setTheme(THEMES[next % THEMES.length]);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => track.draw());
for (const radio of document.querySelectorAll('input[name="where"]')) {
  radio.addEventListener("change", async () => {
    if (live) await stopListening();
    localStorage.setItem("affekt-where", radio.value);
    clearError();
    await chosen();
  });
}
$("learn").addEventListener("change", async ({ target }) => {
  if (live) await stopListening();
  voice.wanted = target.checked;
  clearError();
  showVoice();
});
$("forget").addEventListener("click", () => {
  learning = null; // also what is being learnt now
  voice.forget();
  showVoice();
});
$("model").addEventListener("change", chosen);
$("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  server.key = $("key").value.trim();
  $("key").value = "";
  clearError();
  await look();
});
$("listen").addEventListener("click", () => (live ? stopListening() : listen()));
$("file").addEventListener("change", ({ target }) => {
  const [file] = target.files;
  target.value = ""; // so that the same file may be chosen again
  if (file) hearFile(file);
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("over");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  const [file] = event.dataTransfer.files;
  if (file && !$("file").disabled) hearFile(file);
});
$("track").addEventListener("click", ({ offsetX }) => player.go(track.timeAt(offsetX)));
for (const button of document.querySelectorAll("[data-format]")) {
  button.addEventListener("click", () => save(button.dataset.format));
}

start();
