// A module that names objects to store.

import { type ClassRecord, recordOf } from "../../../../www/src/class.js";
import { errorOf } from "../../../../www/src/error.js";
import { type EmergeClass, EmergeObject } from "../../../../www/src/object.js";
import { encodeObject } from "../../../../www/src/state.js";
import { scope } from "./classes.js";
import { natives } from "./natives.js";
import { join, success, textOf } from "./parts.js";

/** Evaluates a module and gives its `objects`: of each its path, the records of the classes that it needs (bases first, its own last), and its state. */
export async function file(parts: readonly Uint8Array[]): Promise<Uint8Array> {
  const [name, text] = [textOf(parts[0]), textOf(parts[1])];
  // A module sees what is global alone; it is the only one that this sandbox will see.
  Object.assign(globalThis, { console: scope.get("console") });
  const { namespace, done } = natives.module(text, name);
  await done;
  const output: Uint8Array[] = [];
  for (const [path, object] of entries(namespace.objects)) {
    const field = `objects[${JSON.stringify(path)}]`;
    if (typeof path !== "string") throw errorOf("bad_argument", `a key of objects is not a path but a ${typeof path}`, { field: "objects" });
    if (!(object instanceof EmergeObject)) {
      throw errorOf("bad_argument", `${field} is ${kindOf(object)}, not an instance of a class that extends EmergeObject`, { field, path });
    }
    const cls = object.constructor as EmergeClass;
    const used = new Set<ClassRecord>();
    const state = encodeObject(object, cls, used);
    const records = new Set<ClassRecord>();
    for (const record of used) addWithBases(record, records);
    const own = recordOf(cls);
    addWithBases(own, records);
    // Its own last, also when an object inside it is of the same class.
    records.delete(own);
    records.add(own);
    output.push(natives.encodeText(path), join([...records].map((record) => record.encoded ?? new Uint8Array(0))), state);
  }
  return success(...output);
}

function addWithBases(record: ClassRecord, records: Set<ClassRecord>): void {
  for (const base of record.bases) addWithBases(base, records);
  records.add(record);
}

function entries(objects: unknown): Iterable<readonly [unknown, unknown]> {
  if (objects instanceof Map) return objects as Map<unknown, unknown>;
  if (typeof objects === "object" && objects !== null && !Array.isArray(objects) && !(objects instanceof EmergeObject)) {
    return Object.entries(objects);
  }
  throw errorOf("bad_argument", `objects is ${kindOf(objects)}, not a mapping of path to instance`, { field: "objects" });
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return `an instance of ${(value.constructor as { name?: string } | undefined)?.name || "no class"}`;
  return `a ${typeof value}`;
}
