// Whatever an operation is given, it works or fails with an error that has a code, and the session goes on.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Accounts, connect, Connection, EmergeError, EmergeObject, FileSystem, float, Search, text, type Transaction } from "../src/index.js";
import { TestNode } from "../e2e/node.js";
import { fails } from "./fails.js";

const wasm = new URL(`file://${process.env["WWW"] ?? "."}/pkg/emerge_wasm_bg.wasm`);
let node: TestNode;
let fs: Connection;

class Odd extends EmergeObject {
  static override fields = { name: text("a"), price: float(1) };
  declare price: number;
  same(value: unknown): unknown {
    return value;
  }
}

before(async () => {
  node = await TestNode.start();
  fs = await connect(node.url, { token: node.token, wasm });
  await fs.store("/odd/a", new Odd());
  await fs.store("/odd/b", new Odd());
}, { timeout: 240_000 });

after(async () => {
  await fs.close();
  await node[Symbol.asyncDispose]();
});

const ODD: readonly unknown[] = [
  undefined, null, true, 5, -1, -0, 1.5, NaN, Infinity, 2 ** 53, 10n, "", "x", "\ud800", "toString", Symbol("s"), () => 1,
  {}, { a: undefined }, Object.create(null), { toString: 5, valueOf: 5 }, [], [5], [null], ["x", 5], [,], new Map([[5, 5]]), // eslint-disable-line no-sparse-arrays
  new Date(NaN), new Uint8Array(2), new AbortController(), Object.freeze({ aborted: false }),
];

/** All options that an operation takes, each with a value that it may have. */
type All<F extends (...args: never[]) => unknown, N extends number> = Required<NonNullable<Parameters<F>[N]>>;
type Fs = FileSystem;
const common = { signal: new AbortController().signal, timeout: 60_000 };
const onProgress = (): void => undefined;
const recursive: All<Fs["rm"], 1> = { ...common, recursive: true };
const listing: All<Fs["list"], 1> = { ...common, after: "a", pageSize: 5, glob: "*", sort: "size", descending: true };
const searching: All<Fs["search"], 2> = {
  ...common, directory: "/odd", class: Odd, order: "price", descending: true, limit: 5, fields: ["name"], pageSize: 5, text: "a", textFields: ["name"],
};
const copying: All<Fs["cp"], 2> = { ...recursive, onProgress };
const at = "/odd/a";

/** Arguments of each operation. The operations of a class are those of its prototype, so that none is left out. */
const fileSystem: Record<Exclude<keyof FileSystem, "accounts" | "trust">, readonly unknown[]> = {
  define: [Odd],
  store: ["/odd/stored", new Odd(), { ...common, overwrite: true, create: false } satisfies All<Fs["store"], 2>],
  storeAll: [
    [["/odd/stored", new Odd()]],
    { ...common, overwrite: true, create: false, concurrency: 2, onProgress } satisfies All<Fs["storeAll"], 1>,
  ],
  get: [at, { ...common, version: 1 } satisfies All<Fs["get"], 1>],
  children: [at, "list", { ...common, version: 1 } satisfies All<Fs["children"], 2>],
  add: [at, "list", ["/odd/b"], common],
  set: ["/odd/a#name", "b", { ...common, base: 1 } satisfies All<Fs["set"], 2>],
  stat: [at, common],
  exists: [at, common],
  list: ["/odd", listing],
  page: ["/odd", listing],
  call: [at, "same", 1],
  invoke: [at, "same", [1], { ...common, log: true, kwargs: { value: 1 }, deadline: 1000 } satisfies All<Fs["invoke"], 3>],
  callEach: [
    [at], "same", [], { ...common, kwargs: { value: 1 }, deadline: 1000, atomic: true, onProgress } satisfies All<Fs["callEach"], 3>,
  ],
  query: [at, common],
  mixin: [at, "/odd/b", "/odd/mixed", { ...common, name: "Mixed" } satisfies All<Fs["mixin"], 3>],
  migrate: [at, Odd, "same", common],
  migrateEach: ["/odd", Odd, "same", { ...common, from: "Odd", onProgress } satisfies All<Fs["migrateEach"], 3>],
  proxy: [at],
  search: [(o: Odd) => o.price > 0, { max: 3 }, searching],
  searchText: ["a", { ...searching, wanted: () => true, params: { max: 3 } } satisfies All<Fs["searchText"], 1>],
  createIndex: [Odd, "price", { ...common, unique: false } satisfies All<Fs["createIndex"], 2>],
  dropIndex: ["Odd", "name", common],
  indexes: [common],
  mkdir: ["/odd/directory", { ...common, existOk: true } satisfies All<Fs["mkdir"], 1>],
  rm: ["/odd/nothing", recursive],
  mv: ["/odd/nothing", "/odd/there", common],
  cp: [at, "/odd/copy", copying],
  history: [at, { ...common, before: 2, limit: 2 } satisfies All<Fs["history"], 1>],
  purge: ["/odd/nothing", recursive],
  setRules: ["/odd", { keep: "all", mask: 0o027 }, common],
  diff: [at, 1, 2, common],
  restore: [at, 1, { ...common, base: 1 } satisfies All<Fs["restore"], 2>],
  chmod: [at, "rwxr-x---", recursive],
  chown: [at, { owner: "nobody", group: "none" }, recursive],
  watch: ["/odd/**", { ...common, from: "x" } satisfies All<Fs["watch"], 1>],
  describe: [at, common],
  methods: [at, common],
  code: [at, common],
  help: [at, common],
  wasmClass: [at, common],
};
const beginning: All<Connection["begin"], 0> = { ...common, name: "named", lifetime: 1000 };
const connection: Record<Exclude<keyof Connection, keyof FileSystem | "state" | "pending" | "close" | symbol>, readonly unknown[]> = {
  onState: [onProgress],
  transaction: [() => 1, { ...beginning, retries: 2 } satisfies All<Connection["transaction"], 1>],
  begin: [beginning],
  open: ["named", common],
  transactions: [common],
};
const accounts: Record<keyof Accounts, readonly unknown[]> = {
  users: [common],
  addUser: ["zed", { ...common, groups: ["staff"] } satisfies All<Accounts["addUser"], 1>],
  newToken: ["zed", common],
  removeUser: ["zed", common],
  tokens: [{ ...common, user: "zed" } satisfies All<Accounts["tokens"], 0>],
  createToken: [
    { ...common, user: "zed", scope: ["read:/odd/**"], expires: new Date(4e12), note: "odd" } satisfies All<Accounts["createToken"], 0>,
  ],
  revokeToken: ["0000000000000000", { ...common, user: "zed" } satisfies All<Accounts["revokeToken"], 1>],
  quotas: [{ ...common, user: "zed" } satisfies All<Accounts["quotas"], 0>],
  setQuota: ["zed", { ...common, objects: 1, bytes: 2 } satisfies All<Accounts["setQuota"], 1>],
  groups: [common],
  addGroup: ["staff", common],
  removeGroup: ["staff", common],
  join: ["staff", "zed", common],
  leave: ["staff", "zed", common],
};
const search: Record<Exclude<keyof Search<unknown>, "failures" | "moreFailures" | symbol>, readonly unknown[]> = {
  toArray: [],
  page: ["x"],
  count: [],
  groupBy: ["name", { total: { sum: "price" } }],
  explain: [],
};
const transaction: Record<Exclude<keyof Transaction, keyof FileSystem | "isOpen" | "id" | "name" | "expires" | symbol>, readonly unknown[]> = {
  commit: [common],
  rollback: [common],
};

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** The same with another value at each of its places, and where that is. */
function* withOdd(given: unknown, odd: unknown): Generator<readonly [where: string, value: unknown]> {
  if (!Array.isArray(given) && !isPlain(given)) return;
  for (const [place, value] of Object.entries(given)) {
    const other = (replaced: unknown): unknown =>
      Array.isArray(given) ? given.map((each, i) => (String(i) === place ? replaced : (each as unknown))) : { ...given, [place]: replaced };
    yield [place, other(odd)];
    for (const [where, inside] of withOdd(value, odd)) yield [`${place}.${where}`, other(inside)];
  }
}

async function rollBack(tx: object): Promise<void> {
  if ("rollback" in tx && (tx as { isOpen?: unknown }).isOpen === true) await (tx as Transaction).rollback();
}

/** Waits for what an operation gives; of a stream for its first item, which of a watch need not come. A transaction that it opened is ended. */
async function outcome(given: unknown): Promise<void> {
  const result = await given;
  if (typeof result === "object" && result !== null) await rollBack(result);
  if (typeof result !== "object" || result === null || !(Symbol.asyncIterator in result)) return;
  const iterator = (result as AsyncIterable<unknown>)[Symbol.asyncIterator]();
  const first = iterator.next();
  first.catch(() => undefined);
  await Promise.race([first, new Promise((resolve) => setTimeout(resolve, 50).unref())]);
  void iterator.return?.();
}

function show(odd: unknown): string {
  return typeof odd === "object" && odd !== null ? JSON.stringify(odd, (_, value: unknown) => (typeof value === "bigint" ? "n" : value)) : String(odd);
}

/** Gives each operation each odd value in each place. */
async function misuse(of: string, target: () => Promise<object>, operations: Record<string, readonly unknown[]>): Promise<void> {
  for (const [name, args] of Object.entries(operations)) {
    for (const odd of ODD) {
      for (const [where, given] of withOdd(args, odd)) {
        const what = `${of}.${name} with ${show(odd)} at ${where}`;
        const on = (await target()) as Record<string, (...args: unknown[]) => unknown>;
        try {
          await outcome(on[name]?.(...(given as unknown[])));
        } catch (error) {
          assert.ok(error instanceof EmergeError, `${what}: ${String(error)}`);
          assert.ok(error.code !== "bad_frame" && error.code !== "internal", `${what}: ${error.code} ${error.message}`);
        }
        assert.equal(fs.state, "open", what);
        if (of === "a transaction") await rollBack(on);
      }
    }
    assert.equal(await fs.exists("/odd"), true, `${of}.${name}`);
  }
}

test("the tables name every operation", () => {
  const own = (cls: { prototype: object }): string[] =>
    Object.entries(Object.getOwnPropertyDescriptors(cls.prototype)).filter(([, { value }]) => typeof value === "function").map(([name]) => name);
  const named = (table: object, ...more: string[]): string[] => ["constructor", ...more, ...Object.keys(table)].sort();
  assert.deepEqual(own(FileSystem).sort(), named(fileSystem));
  assert.deepEqual(own(Connection).sort(), named(connection, "close"));
  assert.deepEqual(own(Accounts).sort(), named(accounts));
  assert.deepEqual(own(Search).sort(), named(search));
});

test("odd arguments of the file system's operations", async () => {
  await misuse("fs", () => Promise.resolve(fs), fileSystem);
});

test("odd ways to connect", async () => {
  const keepTrust = { getItem: () => null, setItem: onProgress };
  const options: All<typeof connect, 1> = { ...common, token: node.token, agent: "odd", wasm, onState: onProgress, keepTrust };
  for (const odd of ODD) {
    for (const [where, given] of withOdd([node.url, options], odd)) {
      // Without a URL it would be another node.
      if (where === "0" && (odd === undefined || odd === null)) continue;
      try {
        await (await connect(...(given as Parameters<typeof connect>))).close();
      } catch (error) {
        assert.ok(error instanceof EmergeError, `${show(odd)} at ${where}: ${String(error)}`);
      }
    }
  }
});

test("odd arguments of a connection, of accounts, of searches and of transactions", async () => {
  await misuse("fs", () => Promise.resolve(fs), connection);
  await misuse("accounts", () => Promise.resolve(fs.accounts), accounts);
  await misuse("search", () => Promise.resolve(fs.search(null, null, { directory: "/odd" })), search);
  const tx = await fs.begin();
  await misuse("tx", () => Promise.resolve(tx), { store: fileSystem.store, get: fileSystem.get });
  await tx.rollback();
  await misuse("a transaction", () => fs.begin(), transaction);
});

test("an argument that is not what it must be is named, and nothing is sent", async () => {
  const tx = await fs.begin();
  const refused: readonly (readonly [field: string, promise: () => Promise<unknown>])[] = [
    ["fields", () => fs.search(null, null, { fields: "price" as never }).toArray()],
    ["textFields", () => fs.search(null, null, { textFields: [5] as never }).toArray()],
    ["descending", () => fs.search(null, null, { descending: 1 as never }).toArray()],
    ["groups", () => fs.accounts.addUser("zed", { groups: "staff" as never })],
    ["signal", () => fs.get(at, { signal: 5 as never })],
    ["signal", () => fs.store("/odd/unsent", new Odd(), { signal: new AbortController() as never })],
    ["signal", () => fs.list("/odd", { signal: "now" as never }).toArray()],
    ["timeout", () => fs.get(at, { timeout: "1" as never })],
    ["to", () => fs.chown(at, null as never)],
    ["class", () => fs.createIndex(null as never, "price")],
    ["children", () => fs.add(at, "list", null as never)],
    ["class", () => fs.migrate(at, null as never)],
    ["block", () => fs.transaction(undefined as never)],
    ["kwargs", () => fs.invoke(at, "same", [], { kwargs: null as never })],
    ["args", () => fs.invoke(at, "same", null as never)],
    ["options", () => fs.stat(at, 5 as never)],
    ["recursive", () => fs.rm("/odd/nothing", { recursive: "yes" as never })],
    ["concurrency", () => fs.storeAll([["/odd/unsent", new Odd()]], { concurrency: "2" as never })],
    ["key", () => fs.search().groupBy("name", { key: { sum: "price" } as never })],
    ["count", () => fs.search().groupBy("name", { count: { sum: "price" } as never })],
    ["total", () => fs.search().groupBy("name", { total: { constructor: "price" } as never })],
    ["wanted", () => fs.search(Boolean).count()],
    ["transaction", () => fs.open(undefined as never)],
    ["path", () => tx.get(null as never)],
  ];
  for (const [field, ask] of refused) {
    const error = await fails("bad_argument", new RegExp(field), Promise.resolve().then(ask));
    assert.equal(error.field, field);
  }
  await tx.rollback();
  assert.equal(await fs.exists("/odd/unsent"), false);
});

test("options that are null are as if none were given", async () => {
  const none = null as never;
  await fs.store("/odd/null", new Odd(), none);
  assert.equal((await fs.get("/odd/null", none)).meta.version, 1);
  assert.equal((await fs.page("/odd", none)).next, null);
  assert.ok((await fs.search(null, null, none).count()) > 0);
  await fs.mkdir("/odd/made", none);
  await fs.rm("/odd/null", none);
  assert.equal(await fs.transaction(() => 1, none), 1);
  await fs.stat(at, { signal: none, timeout: none });
});

test("the function of a search is an arrow, a function or a method", async () => {
  const methods = {
    test(o: Odd) { return o.price > 1; },
    "with words"(o: Odd) { return o.price > 1; },
    async(o: Odd) { return o.price > 1; },
    function(o: Odd) { return o.price > 1; },
  };
  await fs.store("/odd/dear/a", new Odd({ price: 2 }));
  await fs.store("/odd/dear/b", new Odd());
  const functions: ((o: Odd) => boolean)[] = [
    (o) => o.price > 1, function (o) { return o.price > 1; }, function named(o) { return o.price > 1; },
    ...Object.values(methods),
  ];
  for (const wanted of functions) assert.equal(await fs.search(wanted, null, { directory: "/odd/dear" }).count(), 1, String(wanted));
  for (const wanted of [Boolean, functions[0]?.bind(null), Odd as never]) {
    await fails("bad_argument", /arrow function or a function that is written out/, Promise.resolve().then(() => fs.search(wanted).count()));
  }
});
