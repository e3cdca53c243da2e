// Between Python and the client's WebAssembly in Pyodide: one crossing for a request and one for its reply, for crossings are dear.
// A reply is its pickle, or that of its error, after a byte that says whether it is good.

const VALUE = 0, ERROR = 1, ITEM = 2, END = 4;

const tagged = (good, pickle) => {
  const reply = new Uint8Array(pickle.length + 1);
  reply[0] = good ? 1 : 0;
  reply.set(pickle, 1);
  return reply;
};

// eslint-disable-next-line no-unused-vars -- the host appends what makes one
class Bridge {
  #core;
  #session;
  #waiting = new Map();

  /** `reply(number, reply, isLast)` and `state(name, error)` are Python's. */
  constructor(core, url, options, reply, state) {
    this.#core = core;
    // Where Python can wait in place, what a reply wakes can too.
    const tell = "Suspending" in WebAssembly ? (...told) => reply.callPromising(...told) : reply;
    const events = (message, index) => this.#hear(message, index, tell);
    try {
      this.#session = new core.Core(url, options, events, (name, error) => state(name, error && core.errorToPickle(error)));
    } catch (error) {
      throw error instanceof Uint8Array ? core.errorToPickle(error) : error;
    }
  }

  #hear(message, index, tell) {
    for (let at = 0; at < index.length; at += 4) {
      const [number, kind, from, length] = index.subarray(at, at + 4);
      const waiting = this.#waiting.get(number);
      // A push belongs to no request; and of what was given up nobody waits for the end.
      if (waiting === undefined || ![VALUE, ERROR, ITEM, END].includes(kind)) continue;
      if (kind !== ITEM) this.#waiting.delete(number);
      const bytes = message.subarray(from, from + length);
      const reply = this.#read(waiting.op, kind, bytes);
      if (waiting.here) waiting.here(reply);
      // Python may ask for more at once, which the session hears when it has told all.
      else queueMicrotask(() => tell(number, reply, kind !== ITEM));
    }
  }

  #read(op, kind, bytes) {
    if (kind === ERROR) return tagged(false, this.#core.errorToPickle(bytes));
    if (kind === END) return undefined;
    try {
      return tagged(true, kind === ITEM ? this.#core.itemToPickle(op, bytes) : this.#core.replyToPickle(op, bytes));
    } catch (error) {
      if (error instanceof Uint8Array) return tagged(false, error);
      throw error;
    }
  }

  #begin(request, millis, credit, waiting) {
    let pickled = (error) => error;
    try {
      const op = this.#core.opFromPickle(request);
      // What the session throws is encoded and no pickle.
      pickled = (error) => this.#core.errorToPickle(error);
      const number = this.#session.request(op, millis, credit);
      this.#waiting.set(number, waiting);
      return number;
    } catch (error) {
      if (error instanceof Uint8Array) return tagged(false, pickled(error));
      throw error;
    }
  }

  /** Asks; gives the request's number, or a reply that says why there is none. */
  ask(op, request, millis, credit) {
    return this.#begin(request, millis, credit, { op });
  }

  /** Asks, and gives the promise of the reply. */
  askHere(op, request, millis) {
    return new Promise((resolve) => {
      const begun = this.#begin(request, millis, undefined, { op, here: resolve });
      if (typeof begun !== "number") resolve(begun);
    });
  }

  /** Ends all that waits in place, with nothing; says whether anything did. */
  interrupt() {
    const waits = [...this.#waiting].filter(([, waiting]) => waiting.here);
    for (const [number, waiting] of waits) {
      this.cancel(number);
      waiting.here(undefined);
    }
    return waits.length > 0;
  }

  cancel(number) {
    this.#waiting.delete(number);
    this.#session.cancel(number);
  }

  credit(number, more) {
    this.#session.credit(number, more);
  }

  close() {
    return this.#session.close();
  }
}
