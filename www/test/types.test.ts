// What the types promise; `tsc` is what tests it, so an error here fails the check.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type AnyObject, date, decimal, EmergeError, EmergeObject, type ErrorCode, type FieldsOf, FileSystem, float, int, type Kept, list, type Meta,
  NotFoundError, type Remote, set, type Stored, text, type VersionInfo,
} from "../src/index.js";
import { MemoryTransport } from "./memory.js";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const holds = <T extends true>(..._: T[]): void => undefined;

class Account extends EmergeObject {
  static override fields = {
    owner: text(""), balance: decimal("0.00"), rate: float(0.5), count: int(), marks: set<string>(), log: list<number>(), opened: date(),
  };
  declare owner: string;
  declare rate: number;

  pay(amount: number, note = ""): string {
    return `${this.owner} ${amount} ${note}`;
  }

  async audit(): Promise<number> {
    return Promise.resolve(this.rate);
  }
}

type AccountFields = FieldsOf<typeof Account.fields>;
holds<Same<AccountFields["owner"], string>>();
holds<Same<AccountFields["rate"], number>>();
holds<Same<AccountFields["marks"], Set<string>>>();
holds<Same<AccountFields["log"], number[]>>();

type There = Remote<Account>;
holds<Same<Parameters<There["pay"]>, Parameters<Account["pay"]>>>();
holds<Same<ReturnType<There["pay"]>, Promise<string>>>();
holds<Same<ReturnType<There["audit"]>, Promise<number>>>();
// @ts-expect-error a field is not a method, and a proxy has methods alone
holds<Same<There["owner"], string>>();

test("what the types promise holds when it runs", async () => {
  const fs = new FileSystem(new MemoryTransport());
  const account: Kept<Account> = await fs.store("/a", new Account({ owner: "Ada" }));
  const { path, perms }: { path: string; perms: string | undefined } = account.meta;
  assert.equal(perms, undefined);
  const { meta }: Stored<Account> = await fs.get<Account>("/a");
  const { perms: known }: Meta = meta;
  assert.match(known, /^r/);
  assert.equal(path, "/a");
  const fetched = await fs.get<Account>("/a");
  const paid: string = fetched.pay(3);
  assert.equal(paid, "Ada 3 ");
  const unknown: AnyObject = await fs.get("/a");
  assert.equal(unknown["rate"], 0.5);
  const versions: VersionInfo[] = await fs.history("/a");
  assert.equal(versions.length, 2);
  const names: string[] = [];
  for await (const { name } of fs.list("/")) names.push(name);
  assert.deepEqual(names, ["a"]);
  const answer: unknown = await fs.call("/a", "pay", 1);
  assert.deepEqual(answer, [1]);

  // @ts-expect-error only objects are stored
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- that is what is tested
  await assert.rejects(fs.store("/b", { owner: "Bob" }));
  // @ts-expect-error a row of a group has its own count
  await assert.rejects(fs.search().groupBy("owner", { count: { sum: "rate" } }));
  // @ts-expect-error fields are a list
  assert.throws(() => fs.search(null, null, { fields: "owner" }), { code: "bad_argument", field: "fields" });
  // @ts-expect-error versions are numbers
  await assert.rejects(fs.get("/a", { version: "1" }));

  const code = await fs.get("/nothing").catch((error: unknown) => {
    assert.ok(error instanceof NotFoundError && error instanceof EmergeError);
    holds<Same<typeof error.code, ErrorCode>>();
    return error.code;
  });
  assert.equal(code, "not_found");
});
