// A method meets objects of classes that its own does not name: held, given, fetched. Their methods run within it, if the same user owns their class.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Connection, connect, EmergeError, EmergeObject, float, list } from "emerge-client";
import { TestNode } from "./node.js";

class Shape extends EmergeObject {
  scale(by: number): number {
    return by * this.area();
  }

  area(): number {
    throw new Error("a shape has no area of its own");
  }
}

class Disc extends Shape {
  static override readonly fields = { r: float(0) };
  declare r: number;

  override area(): number {
    return 3 * this.r * this.r;
  }

  grow(): void {
    this.r *= 2;
  }

  fail(): never {
    throw new RangeError("too round");
  }
}

class Board extends EmergeObject {
  static override readonly fields = { shapes: list([]) };
  declare shapes: Disc[];

  total(): number {
    return this.shapes.reduce((sum, shape) => sum + shape.area(), 0);
  }

  grow(): number {
    for (const shape of this.shapes) shape.grow();
    return this.total();
  }

  given(shape: Disc): number {
    return shape.scale(2);
  }

  async fetched(path: string): Promise<number> {
    return (await fs.get<Disc>(path)).area();
  }

  async enlarge(path: string): Promise<void> {
    const shape = await fs.get<Disc>(path);
    shape.grow();
    await fs.store(path, shape);
  }

  async failing(path: string): Promise<void> {
    (await fs.get<Disc>(path)).fail();
  }
}

let node: TestNode;
let fs: Connection;

before(async () => {
  node = await TestNode.start();
  fs = await connect(node.url, { token: node.token });
  await fs.store("/shapes/disc", new Disc({ r: 2 }));
  await fs.store("/board", new Board({ shapes: [new Disc({ r: 1 }), new Disc({ r: 3 })] }));
});

after(async () => {
  await fs?.close();
  await node?.[Symbol.asyncDispose]();
});

test("methods of objects that are held, given and fetched", async () => {
  assert.equal(await fs.call("/board", "total"), 30);
  assert.equal(await fs.call("/board", "grow"), 120);
  assert.deepEqual((await fs.get<Board>("/board")).shapes.map(({ r }) => r), [2, 6]);
  assert.equal(await fs.call("/board", "given", new Disc({ r: 1 })), 6);
  assert.equal(await fs.call("/board", "fetched", "/shapes/disc"), 12);
});

test("what a method stores of an object that it met is of the same class version", async () => {
  const before = await fs.stat("/shapes/disc");
  await fs.call("/board", "enlarge", "/shapes/disc");
  const after = await fs.get<Disc>("/shapes/disc");
  assert.deepEqual([after.r, after.meta.version], [4, before.version + 1]);
  assert.deepEqual((await fs.stat("/shapes/disc")).classHash, before.classHash);
});

test("a failure in a met object's method shows its own line", async () => {
  await assert.rejects(fs.call("/board", "failing", "/shapes/disc"), (error: EmergeError) => {
    assert.equal(error.code, "method_failed");
    assert.match(error.message, /too round/);
    assert.match(error.trace ?? "", /Board, line .*\n.*\.fail\(\).*\n.*Disc, line .*\n.*throw new RangeError/s);
    return true;
  });
});

/** As another user writes it. */
const Trap = class Disc extends EmergeObject {
  static override readonly fields = { r: float(0) };

  area(): number {
    return 666;
  }
};

test("the class of another user does not run with the caller's rights", async () => {
  await fs.mkdir("/mallory");
  const token = (await node.emerge("user", "add", "mallory")).trim().split(/\s+/).at(-1) as string;
  await fs.chown("/mallory", { owner: "mallory" });
  const theirs = await connect(node.url, { token });
  try {
    await theirs.store("/mallory/disc", new Trap({ r: 1 }));
    await theirs.chmod("/mallory/disc", "rwxr-xr-x");
  } finally {
    await theirs.close();
  }
  await assert.rejects(fs.call("/board", "fetched", "/mallory/disc"), (error: EmergeError) => {
    assert.equal(error.code, "class_not_found");
    assert.match(error.message, /area\(\) cannot run here; run it on the node by fs\.call/);
    return true;
  });
});
