// In the audio thread: mixes the microphone to mono and passes it on in larger chunks.

const PIECE = 0.05; // seconds

class MicrophoneTap extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Float32Array(Math.round(PIECE * sampleRate));
    this.filled = 0;
  }

  process([channels]) {
    const length = channels[0]?.length ?? 0;
    for (let i = 0; i < length; i++) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      this.piece[this.filled++] = sum / channels.length;
      if (this.filled === this.piece.length) {
        this.port.postMessage(this.piece.slice());
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("affekt-microphone", MicrophoneTap);
