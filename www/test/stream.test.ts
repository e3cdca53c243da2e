import assert from "node:assert/strict";
import { test } from "node:test";
import { Stream } from "../src/stream.js";

/** Pages one by one, which note that they were let go. */
function pagesOf(pages: readonly (readonly number[])[], ended: string[] = []): AsyncIterable<readonly number[]> {
  return (async function* () {
    try {
      for (const page of pages) {
        await Promise.resolve();
        yield page;
      }
      ended.push("all");
    } finally {
      ended.push("closed");
    }
  })();
}

const flat = (pages: AsyncIterable<readonly number[]>): Stream<number> => Stream.flat(() => pages, (page) => page);

test("the items of pages come in their order, past pages without any", async () => {
  assert.deepEqual(await flat(pagesOf([[], [1, 2], [], [], [3], []])).toArray(), [1, 2, 3]);
  assert.deepEqual(await flat(pagesOf([])).toArray(), []);
});

test("each time it is gone through it begins anew, also while it is", async () => {
  const stream = Stream.flat(() => pagesOf([[1, 2, 3], [], [4, 5]]), (page) => page);
  const iterator = stream[Symbol.asyncIterator]();
  assert.deepEqual(await iterator.next(), { value: 1, done: false });
  assert.deepEqual(await Promise.all([stream.toArray(), stream.toArray()]), [[1, 2, 3, 4, 5], [1, 2, 3, 4, 5]]);
  assert.deepEqual(await iterator.next(), { value: 2, done: false });
  const mapped = Stream.map(pagesOf([[1], [2, 3]]), (page) => page.length);
  assert.deepEqual(await mapped.toArray(), [1, 2]);
});

test("a stream that is left closes its pages", async () => {
  const ended: string[] = [];
  const stream = flat(pagesOf([[1, 2], [3]], ended));
  for await (const item of stream) if (item === 2) break;
  assert.deepEqual(ended, ["closed"]);
});

test("several may ask at the same time, and each item is given once", async () => {
  const iterator = flat(pagesOf([[1], [], [2, 3], [4]]))[Symbol.asyncIterator]();
  const results = await Promise.all(Array.from({ length: 6 }, () => iterator.next()));
  assert.deepEqual(results.map(({ value, done }) => [value, done === true]), [
    [1, false], [2, false], [3, false], [4, false], [undefined, true], [undefined, true],
  ]);
});

test("a page that fails ends the stream, after the items before it", async () => {
  const failing = (async function* (): AsyncGenerator<readonly number[]> {
    yield [1];
    throw new RangeError("no more pages");
  })();
  const iterator = flat(failing)[Symbol.asyncIterator]();
  assert.deepEqual(await iterator.next(), { value: 1, done: false });
  await assert.rejects(iterator.next(), /no more pages/);
  assert.equal((await iterator.next()).done, true);
  const ended: string[] = [];
  const unreadable = Stream.flat(() => pagesOf([[1], [2]], ended), () => {
    throw new RangeError("unreadable");
  });
  await assert.rejects(unreadable.toArray(), /unreadable/);
  assert.deepEqual(ended, ["closed"]);
});
