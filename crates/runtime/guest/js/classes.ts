// Classes from their sources: those of the call's own object, and of objects that it meets those whose classes are of the same owner, since their code
// runs with the rights of the running method (its caller's and its owner's). What another's class says runs on the node by `fs.call`.

import { adoptClass } from "../../../../www/src/class.js";
import { Field, type FieldKind, kindOf } from "../../../../www/src/fields.js";
import { FileSystem } from "../../../../www/src/filesystem.js";
import { Language } from "../../../../www/src/generated.js";
import { Encoder } from "../../../../www/src/codec.js";
import { bare, declarationOf, type EmergeClass, EmergeObject } from "../../../../www/src/object.js";
import { encodeObject } from "../../../../www/src/state.js";
import { ByteReader } from "../../../../www/src/bytes.js";
import { hex } from "../../../../www/src/sha256.js";
import { standIn } from "../../../../www/src/standin.js";
import { decodeState, decodeValue } from "../../../../www/src/values.js";
import { type ClassVersion, opClassByHash, readLineage } from "../../../../www/src/wire.js";
import * as client from "./client.js";
import { show } from "./failure.js";
import { natives } from "./natives.js";
import { split, textOf } from "./parts.js";
import { answer, CallTransport, request } from "./transport.js";

/** The file system of the running method. */
export const fs = new FileSystem(new CallTransport(meet));

const line = (...values: unknown[]): void => natives.log(values.map(show).join(" ").toWellFormed());
const console = Object.freeze({ log: line, info: line, debug: line, warn: line, error: line });

const { connect: _, ...shared } = client;

/** What stands in the scope of every class, by name. */
export const scope: ReadonlyMap<string, unknown> = new Map<string, unknown>(Object.entries({ ...shared, console, fs }));

/** The class of the object whose method is called. */
export let subject: Subject | undefined;

interface Subject {
  readonly cls: EmergeClass;
  readonly version: ClassVersion;
  /** The declared types of its fields, by name. */
  readonly kinds: Readonly<Record<string, FieldKind>>;
  /** Kept, so that what all its objects have in common stays. */
  readonly sample: EmergeObject;
}

/** The classes that were made, by address. */
const known = new Map<string, EmergeClass>();

/** The stand-ins of embedded objects whose classes may not run here, by address. */
const standIns = new Map<string, EmergeClass>();

/** Makes the class of the object whose method is called, and its bases. */
export function load(parts: readonly Uint8Array[]): void {
  const { lineage, classes } = make(parts);
  for (const cls of classes) fs.define(cls);
  const cls = classes.at(-1) as EmergeClass;
  const kinds: Record<string, FieldKind> = Object.create(null) as Record<string, FieldKind>;
  for (const [name, field] of declarationOf(cls)) kinds[name] = field.kind;
  subject = { cls, version: lineage[0] as ClassVersion, kinds, sample: sampleOf(cls) };
}

/** An object with all defaults, by which that is made what is made once for each class, or at the first of many uses: it is in the image from which calls begin. */
function sampleOf(cls: EmergeClass): EmergeObject {
  const MAP = 5;
  const fields = declarationOf(cls);
  const writer = new Encoder();
  writer.head(MAP, fields.size);
  for (const [name, field] of fields) {
    writer.text(name);
    writer.raw(field.initial);
  }
  const object = bare(cls);
  decodeState(object, writer.take(), () => undefined, []);
  encodeObject(object, cls, new Set());
  return object;
}

/**
 * Evaluates a class and its bases, of their record, and of each, nearest first, the file's name, its name for its base, and its text. Gives them
 * bases first.
 */
function make(parts: readonly Uint8Array[]): { lineage: readonly ClassVersion[]; classes: readonly EmergeClass[] } {
  const lineage = readLineage(new ByteReader(parts[0] ?? new Uint8Array(0)));
  const made = new Map<string, EmergeClass>();
  for (let at = lineage.length - 1; at >= 0; at -= 1) {
    const version = lineage[at] as ClassVersion;
    const [file, heritage, text] = parts.slice(1 + 3 * at, 4 + 3 * at).map(textOf) as [string, string, string];
    const [base] = version.source.bases;
    const parent = base ? made.get(hex(base.hash)) : (EmergeObject as unknown as EmergeClass);
    if (!parent) throw new Error(`the base ${base?.name} of class ${version.source.name} is not there`);
    // An object's class is what its bases are too: one that is known already stays the same class.
    const before = known.get(hex(version.hash));
    const cls = before ?? evaluate(text, file, heritage, parent);
    if (!before) {
      for (const { hash } of version.source.bases.slice(1)) {
        const mixed = made.get(hex(hash));
        if (mixed) mix(cls, mixed);
      }
      adopt(cls, version);
      known.set(hex(version.hash), cls);
    }
    made.set(hex(version.hash), cls);
  }
  return { lineage, classes: [...made.values()] };
}

/** The class of an object that the running method meets, where its code may run. */
function meet(lineage: readonly ClassVersion[]): EmergeClass | undefined {
  const [newest] = lineage;
  if (newest?.source.language !== Language.javaScript || newest.owner !== subject?.version.owner) return undefined;
  const before = known.get(hex(newest.hash));
  if (before) return before;
  try {
    return make(split(answer(natives.classParts(opClassByHash(newest.hash))))).classes.at(-1);
  } catch {
    // Its fields can be read nevertheless, and its methods called on the node, which says what is wrong.
    return undefined;
  }
}

function evaluate(text: string, file: string, heritage: string, parent: EmergeClass): EmergeClass {
  const names = new Map(scope).set(heritage, parent);
  // The names stand on a line of their own, so that the source's lines are one more than in the source, and its columns are the same.
  const make = natives.evaluate(`(function (${[...names.keys()].join(", ")}) { return (\n${text}\n); })`, file) as (
    ...values: unknown[]
  ) => EmergeClass;
  return make(...names.values());
}

/** Gives a class the members of a second base that it does not have, also over those of a class that both inherit from. */
function mix(cls: EmergeClass, from: EmergeClass): void {
  for (let at: object = from; at !== EmergeObject; at = Object.getPrototypeOf(at) as object) {
    copy(cls.prototype, (at as EmergeClass).prototype, INSTANCE);
    copy(cls, at, STATIC);
  }
}

const INSTANCE: readonly PropertyKey[] = ["constructor"];
const STATIC: readonly PropertyKey[] = ["prototype", "name", "length", "fields", "className", "doc"];

function copy(to: object, from: object, except: readonly PropertyKey[]): void {
  for (const key of Reflect.ownKeys(from)) {
    if (except.includes(key)) continue;
    const owner = ownerOf(to, key);
    if (owner && !Object.prototype.isPrototypeOf.call(owner, from)) continue;
    Object.defineProperty(to, key, Object.getOwnPropertyDescriptor(from, key) as PropertyDescriptor);
  }
}

/** The object in a chain of prototypes that has a member; what every object and function has does not count. */
function ownerOf(start: object, key: PropertyKey): object | undefined {
  for (let at: object | null = start; at && at !== Object.prototype && at !== Function.prototype; at = Object.getPrototypeOf(at) as object | null) {
    if (at !== EmergeObject.prototype && at !== EmergeObject && Object.hasOwn(at, key)) return at;
  }
  return undefined;
}

function adopt(cls: EmergeClass, version: ClassVersion): void {
  if (cls.name !== version.source.name) Object.defineProperty(cls, "name", { value: version.source.name, configurable: true });
  const fields = version.source.fields.map((field) => [
    field.name,
    new Field(kindOf(field.kind), field.default ? decodeValue(field.default) : null, field.doc),
  ]);
  Object.defineProperty(cls, "fields", { value: Object.fromEntries(fields), configurable: true, writable: true });
  adoptClass(cls, version);
}

/** The class of an embedded object: one that may run here, or a stand-in that has the fields and says of the methods where they run. */
export function classOf(hash: Uint8Array): EmergeClass {
  const key = hex(hash);
  const before = known.get(key) ?? standIns.get(key);
  if (before) return before;
  const lineage = readLineage(new ByteReader(request(opClassByHash(hash))));
  const met = meet(lineage);
  if (met) return met;
  const cls = standIn(lineage);
  standIns.set(key, cls);
  return cls;
}
