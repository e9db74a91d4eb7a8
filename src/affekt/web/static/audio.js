// From any recording to the mono samples of a model, as affekt's Python does it.

import { AffektError } from "./errors.js";
import { checkedRate, resample } from "./resample.js";

const MOST_PEAK = 4; // of full scale: samples beyond it cannot be meant
const FALLBACK_RATE = 48000; // Hz, for kinds of file whose rate is not read here

/**
 * @typedef {object} Recording
 * @property {Float32Array[]} channels
 * @property {number} sampleRate in Hz
 */

/**
 * Decode a recording as it is: all channels, its own rate.
 * @param {Blob | ArrayBuffer | ArrayBufferView} source the bytes of a file
 * @returns {Promise<Recording>}
 */
export async function decode(source) {
  const bytes = await bytesOf(source);
  if (bytes.byteLength === 0) throw new AffektError("the recording is empty: record it again");
  return checked(readWav(bytes) ?? (await decodeByBrowser(bytes)));
}

/**
 * Mix channels by their mean and change the rate.
 * @param {Recording} recording
 * @param {number} sampleRate wanted, in Hz
 * @returns {Float32Array}
 */
export function toMono({ channels, sampleRate: from }, sampleRate) {
  if (channels.length === 1) return resample(channels[0], from, sampleRate);
  const mono = new Float32Array(channels[0].length);
  for (let i = 0; i < mono.length; i++) {
    let sum = 0;
    for (const channel of channels) sum += channel[i];
    mono[i] = sum / channels.length;
  }
  return resample(mono, from, sampleRate);
}

/**
 * Refuse samples that are missing, not finite or far beyond full scale.
 * @param {Recording} recording
 * @returns {Recording} the same
 */
export function checked(recording) {
  const { channels, sampleRate } = recording;
  checkedRate(sampleRate);
  if (!channels.length || !channels[0].length) {
    throw new AffektError("the recording holds no samples: record or download it again");
  }
  for (const channel of channels) {
    for (const sample of channel) {
      if (Number.isFinite(sample) && Math.abs(sample) <= MOST_PEAK) continue;
      throw new AffektError(
        `a sample is ${sample}, full scale is 1: repair the recording, ` +
          "and divide 16-bit integers by 32768",
      );
    }
  }
  return recording;
}

async function bytesOf(source) {
  if (source instanceof Blob) return source.arrayBuffer();
  if (source instanceof ArrayBuffer) return source;
  if (ArrayBuffer.isView(source) && !(source instanceof Float32Array)) {
    return source.slice().buffer;
  }
  throw new AffektError(
    "expected a Blob, an ArrayBuffer, an AudioBuffer, or samples together with their rate",
  );
}

async function decodeByBrowser(bytes) {
  const sampleRate = ownRate(new Uint8Array(bytes)) ?? FALLBACK_RATE;
  let decoded;
  try {
    decoded = await new OfflineAudioContext(1, 1, sampleRate).decodeAudioData(bytes);
  } catch {
    throw new AffektError(
      "this browser cannot read the recording: convert it to wav, flac, mp3, ogg or m4a",
    );
  }
  return fromAudioBuffer(decoded);
}

/** @param {AudioBuffer} buffer @returns {Recording} */
export function fromAudioBuffer(buffer) {
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, i) =>
    buffer.getChannelData(i),
  );
  return { channels, sampleRate: buffer.sampleRate };
}

/** The rate that the header of a flac, ogg or mp3 file tells, so that the browser keeps it. */
function ownRate(bytes) {
  const view = new DataView(bytes.buffer);
  const text = (at, length) => String.fromCharCode(...bytes.subarray(at, at + length));
  if (bytes.length < 64) return null;
  if (text(0, 4) === "fLaC") return (view.getUint32(18) >>> 12) & 0xfffff;
  if (text(0, 4) === "OggS") {
    if (text(29, 6) === "vorbis") return view.getUint32(40, true);
    return text(28, 8) === "OpusHead" ? 48000 : null;
  }
  let at = 0;
  if (text(0, 3) === "ID3") {
    at = 10 + ((bytes[6] << 21) | (bytes[7] << 14) | (bytes[8] << 7) | bytes[9]);
  }
  if (at + 4 > bytes.length || bytes[at] !== 0xff || (bytes[at + 1] & 0xe6) < 0xe2) return null;
  const version = (bytes[at + 1] >> 3) & 3; // 3: MPEG 1, 2: MPEG 2, 0: MPEG 2.5
  const rate = [44100, 48000, 32000][(bytes[at + 2] >> 2) & 3];
  return rate && version !== 1 ? rate / { 3: 1, 2: 2, 0: 4 }[version] : null;
}

/**
 * Read a wav file, sample by sample as it is; browsers round, and change the rate.
 * @param {ArrayBuffer} bytes
 * @returns {Recording | null} null for anything but plain wav
 */
function readWav(bytes) {
  const view = new DataView(bytes);
  const name = (at) => (at + 4 <= view.byteLength ? view.getUint32(at) : 0);
  if (name(0) !== 0x52494646 || name(8) !== 0x57415645) return null; // RIFF, WAVE
  let format = null;
  for (let at = 12; at + 8 <= view.byteLength; ) {
    const size = view.getUint32(at + 4, true);
    const body = at + 8;
    if (name(at) === 0x666d7420 && body + 16 <= view.byteLength) {
      format = readFormat(view, body, size); // "fmt "
    } else if (name(at) === 0x64617461) {
      return format && readSamples(view, body, Math.min(size, view.byteLength - body), format);
    }
    at = body + size + (size % 2); // chunks begin at even places
  }
  return null;
}

function readFormat(view, at, size) {
  let kind = view.getUint16(at, true);
  if (kind === 0xfffe && size >= 26 && at + 26 <= view.byteLength) {
    kind = view.getUint16(at + 24, true); // "extensible": the kind stands further on
  }
  return {
    channels: view.getUint16(at + 2, true),
    sampleRate: view.getUint32(at + 4, true),
    read: SAMPLE_READERS[`${kind === 3 ? "float" : kind === 1 ? "int" : ""}${view.getUint16(at + 14, true)}`],
    width: view.getUint16(at + 14, true) / 8, // bytes
  };
}

const SAMPLE_READERS = {
  int8: (view, at) => (view.getUint8(at) - 128) / 128,
  int16: (view, at) => view.getInt16(at, true) / 32768,
  int24: (view, at) => (view.getUint16(at, true) + view.getInt8(at + 2) * 65536) / 8388608,
  int32: (view, at) => view.getInt32(at, true) / 2147483648,
  float32: (view, at) => view.getFloat32(at, true),
  float64: (view, at) => view.getFloat64(at, true),
};

function readSamples(view, at, size, { channels, sampleRate, read, width }) {
  if (!read || channels < 1) return null;
  const length = Math.floor(size / (width * channels));
  const samples = Array.from({ length: channels }, () => new Float32Array(length));
  for (let i = 0; i < length; i++) {
    for (let c = 0; c < channels; c++, at += width) samples[c][i] = read(view, at);
  }
  return { channels: samples, sampleRate };
}
