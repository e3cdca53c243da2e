// Between Python and the client's WebAssembly in Pyodide: one crossing for a request and one for its reply, for crossings are dear.
// A reply is its pickle, or that of its error, after a byte that says whether it is good. Short requests and replies lie in memory
// that both sides have, and only their length crosses.

const ITEM = 2, PUSH = 3, END = 4;
const FREE = 0;

/** A `bytearray` of Python's, which moves when Python's memory grows. */
class SharedBytes {
  #array;
  #buffer;
  #released = false;

  constructor(array) {
    this.#array = array;
    this.#buffer = array.getBuffer("u8");
  }

  get bytes() {
    if (this.#buffer.data.length === 0) {
      this.#buffer.release();
      this.#buffer = this.#array.getBuffer("u8");
    }
    return this.#buffer.data;
  }

  release() {
    if (!this.#released) this.#buffer.release();
    this.#released = true;
  }
}

// eslint-disable-next-line no-unused-vars -- the host appends what makes one
class Bridge {
  #session;
  #outgoing;
  #incoming;

  /** `reply(number, reply, isLast)` and `state(name, error)` are Python's; so are the arrays for the requests and the replies. */
  constructor(core, url, options, outgoing, incoming, reply, state) {
    const events = (message, index) => this.#hear(message, index, reply);
    try {
      this.#session = new core.Core(url, options, events, (name, error) => state(name, error && core.errorToPickle(error)));
    } catch (error) {
      throw error instanceof Uint8Array ? core.errorToPickle(error) : error;
    }
    this.#outgoing = new SharedBytes(outgoing);
    this.#incoming = new SharedBytes(incoming);
  }

  #hear(message, index, tell) {
    for (let at = 0; at < index.length; at += 4) {
      const number = index[at], kind = index[at + 1], from = index[at + 2], length = index[at + 3];
      if (kind === PUSH) continue;
      // Python may ask for more at once, which the session hears when it has told all.
      queueMicrotask(() => {
        const reply = this.#session.replyPickle(number, kind, message.subarray(from, from + length));
        // Of what was given up nobody waits for the end.
        if (reply !== undefined || kind === END) tell(number, this.#shared(reply), kind !== ITEM);
      });
    }
  }

  /** A reply as Python takes it: the length of what lies in the shared bytes, unless an earlier reply is still there or it is too long. */
  #shared(reply) {
    const shared = this.#incoming.bytes;
    if (reply === undefined || shared[0] !== FREE || reply.length > shared.length) return reply;
    shared.set(reply);
    return reply.length;
  }

  /** Asks; gives the request's number, or a reply that says why there is none. */
  ask(request, millis, credit) {
    try {
      const pickle = typeof request === "number" ? this.#outgoing.bytes.subarray(0, request) : request;
      return this.#session.requestPickle(pickle, millis, credit);
    } catch (error) {
      if (error instanceof Uint8Array) return error;
      throw error;
    }
  }

  cancel(number) {
    this.#session.cancelPickle(number);
  }

  credit(number, more) {
    this.#session.credit(number, more);
  }

  async close() {
    await this.#session.close();
    this.#outgoing.release();
    this.#incoming.release();
  }
}
