/** What was wrong, where, and what to do, in one line: the text may be shown to a person. */
export class AffektError extends Error {
  constructor(message) {
    super(message);
    this.name = "AffektError";
  }
}
