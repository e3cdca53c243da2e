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

  /** A stream of the items of pages. */
  static flat<A, T>(pages: AsyncIterable<A>, read: (page: A) => readonly T[]): Stream<T> {
    return new Stream(
      (async function* () {
        for await (const page of pages) yield* read(page);
      })(),
    );
  }
}
