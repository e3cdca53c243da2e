/** Results that come one after the other: `for await (const item of stream)`, or all of them by `toArray()`. */
export class Stream<T> implements AsyncIterable<T> {
  readonly #items: AsyncIterable<T>;

  constructor(items: AsyncIterable<T>) {
    this.#items = items;
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return this.#items[Symbol.asyncIterator]() as AsyncIterator<T, undefined>;
  }

  /** All of them. */
  async toArray(): Promise<T[]> {
    const iterator = this.#items[Symbol.asyncIterator]();
    if (iterator instanceof ItemsOfPages) return (iterator as ItemsOfPages<unknown, T>).rest();
    const all: T[] = [];
    for await (const item of this.#items) all.push(item);
    return all;
  }

  /** A stream of what `read` makes of each item. */
  static map<A, T>(items: AsyncIterable<A>, read: (item: A) => T | Promise<T>): Stream<T> {
    return new Stream(
      (async function* () {
        for await (const item of items) yield await read(item);
      })(),
    );
  }

  /** A stream of the items of pages, which are asked for anew each time that it is gone through. */
  static flat<A, T>(pages: () => AsyncIterable<A>, read: (page: A) => readonly T[]): Stream<T> {
    return new Stream({ [Symbol.asyncIterator]: () => new ItemsOfPages(pages()[Symbol.asyncIterator](), read) });
  }
}

/**
 * The items of pages. A generator waits several times for each item; this waits for pages only, which makes a long listing twice as fast.
 */
class ItemsOfPages<A, T> implements AsyncIterator<T, undefined> {
  readonly #pages: AsyncIterator<A>;
  readonly #read: (page: A) => readonly T[];
  #items: readonly T[] = [];
  #at = 0;
  /** While a page is awaited: those that ask meanwhile come after. */
  #waiting: Promise<unknown> | undefined;

  constructor(pages: AsyncIterator<A>, read: (page: A) => readonly T[]) {
    this.#pages = pages;
    this.#read = read;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#waiting !== undefined) return this.#waiting.then(() => this.next());
    if (this.#at < this.#items.length) {
      const value = this.#items[this.#at] as T;
      this.#at += 1;
      return Promise.resolve({ value, done: false });
    }
    const filled = this.#fill().finally(() => (this.#waiting = undefined));
    // What fails fails for the one that asked first; the others find the end.
    this.#waiting = filled.catch(() => undefined);
    return filled.then((more) => (more ? this.next() : { value: undefined, done: true }));
  }

  /** All that there still is, a page at a time. */
  async rest(): Promise<T[]> {
    const all: T[] = [];
    for (;;) {
      // What others asked for before is theirs.
      while (this.#waiting !== undefined) await this.#waiting;
      for (; this.#at < this.#items.length; this.#at += 1) all.push(this.#items[this.#at] as T);
      if (!(await this.#fill())) return all;
    }
  }

  /** Takes pages until one has items; false at the end. */
  async #fill(): Promise<boolean> {
    this.#items = [];
    this.#at = 0;
    for (;;) {
      const page = await this.#pages.next();
      if (page.done === true) return false;
      try {
        this.#items = this.#read(page.value);
      } catch (error) {
        await this.#pages.return?.();
        throw error;
      }
      if (this.#items.length > 0) return true;
    }
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this.#items = [];
    await this.#pages.return?.();
    return { value: undefined, done: true };
  }
}
