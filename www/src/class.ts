// Classes as they travel: by source, under a registered name, addressed by a hash of what makes the version.

import { check, CLASS_OR_NAME } from "./arguments.js";
import { errorOf } from "./error.js";
import { FIELD_KINDS, kindNumber } from "./fields.js";
import { declarationOf, declareFields, type EmergeClass, EmergeObject, ownFields } from "./object.js";
import { hex, sha256 } from "./sha256.js";
import { type ClassSource, type ClassVersion, encodeClassSource, type FieldDecl } from "./wire.js";

/** A class version as this client knows it. */
export interface ClassRecord {
  /** The registered name. */
  readonly name: string;
  /** The number of the language that it is written in. */
  readonly language: number;
  /** The address: 16 bytes. */
  readonly hash: Uint8Array;
  /** The address as hexadecimal digits. */
  readonly key: string;
  /** The encoded source; absent when the node has it already. */
  readonly encoded: Uint8Array | undefined;
  /** The records of its bases, nearest first. */
  readonly bases: readonly ClassRecord[];
  /** The class itself. */
  readonly cls: EmergeClass;
}

const JAVASCRIPT = 0;
const records = new WeakMap<object, ClassRecord>();

/** The record of a class; computed once. */
export function recordOf(cls: EmergeClass): ClassRecord {
  let record = records.get(cls);
  if (!record) {
    const encoded = encodeClassSource(classSource(cls));
    const hash = sha256(encoded).slice(0, 16);
    const base = Object.getPrototypeOf(cls) as EmergeClass;
    const bases = (base as unknown) === EmergeObject ? [] : [recordOf(base)];
    record = { name: registeredName(cls), language: JAVASCRIPT, hash, key: hex(hash), encoded, bases, cls };
    records.set(cls, record);
  }
  return record;
}

/** Makes a class stand for a version that the node has: its address and its declared fields are those of the record. */
export function adoptClass(cls: EmergeClass, version: ClassVersion): ClassRecord {
  declareFields(cls, version.source.fields);
  const { name, language } = version.source;
  const record = { name, language, hash: version.hash, key: hex(version.hash), encoded: undefined, bases: [], cls };
  records.set(cls, record);
  return record;
}

/** Gives a class a source that is not its own text: that of a module, with its fields. */
export function adoptSource(cls: EmergeClass, source: ClassSource): void {
  declareFields(cls, source.fields);
  const encoded = encodeClassSource(source);
  const hash = sha256(encoded).slice(0, 16);
  records.set(cls, { name: source.name, language: source.language, hash, key: hex(hash), encoded, bases: [], cls });
}

/** The name under which a class is registered: its `static className`, else its own. */
export function registeredName(cls: EmergeClass): string {
  const name = Object.hasOwn(cls, "className") ? cls.className : cls.name;
  if (typeof name !== "string" || name === "") {
    throw errorOf("class_invalid", "a class needs a name: write class Name extends EmergeObject, or give it a static className");
  }
  return name;
}

/** The registered name of what is named by its class or by that name. */
export function nameOf(cls: EmergeClass | string): string {
  check(CLASS_OR_NAME, cls, "class");
  return typeof cls === "string" ? cls : registeredName(cls);
}

/** A class as it is sent to a node. */
export function classSource(cls: EmergeClass): ClassSource {
  if ((cls as unknown) === EmergeObject || !((cls.prototype as unknown) instanceof EmergeObject)) {
    throw errorOf("class_invalid", `class ${cls.name} does not extend EmergeObject`);
  }
  const name = registeredName(cls);
  const text = Function.prototype.toString.call(cls);
  const head = /^class(?:\s+([\p{ID_Start}$_][\p{ID_Continue}$]*))?\s+extends\s+([\p{ID_Start}$_][\p{ID_Continue}$.]*)\s*\{/u.exec(text);
  if (!head) {
    const why = text.startsWith("class")
      ? "its base must be named in its source (class A extends B)"
      : "its source is no longer a class; compile for ES2022 or newer";
    throw errorOf("class_invalid", `class ${name} cannot travel: ${why}`);
  }
  const base = Object.getPrototypeOf(cls) as EmergeClass;
  const root = (base as unknown) === EmergeObject;
  const written = head[2] ?? "";
  // A minifier renames what is imported; of a base only its name in this source matters, of EmergeObject its own name.
  const baseName = root ? "EmergeObject" : written.includes(".") ? registeredName(base) : written;
  // Bundlers take the name off a class that they keep in a variable.
  const own = head[1] ?? (/^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name) && name !== baseName ? name : "");
  const source = `class ${own && `${own} `}extends ${baseName} {${ownNames(cls, text.slice(head[0].length))}`;
  const fields = Object.entries(ownFields(cls)).map(([field]) => fieldDecl(cls, field));
  const doc = Object.hasOwn(cls, "doc") && typeof cls.doc === "string" ? cls.doc : undefined;
  return { name, language: JAVASCRIPT, source, bases: root ? [] : [{ name: baseName, hash: recordOf(base).hash }], fields, doc };
}

function fieldDecl(cls: EmergeClass, name: string): FieldDecl {
  const declared = declarationOf(cls).get(name);
  return { name, kind: kindNumber(declared?.kind ?? "any"), default: declared?.initial, doc: declared?.doc };
}

/** The body of a class with the helpers of its declared fields called by their own names, and without what bundlers add. */
function ownNames(cls: EmergeClass, body: string): string {
  const plain = body.replace(/static\s*\{\s*[\w$]+\(this,\s*(?:"[^"]*"|'[^']*')\);?\s*\}/u, "");
  const start = /\bstatic\s+fields\s*=/u.exec(plain);
  if (!start) return plain;
  const from = start.index + start[0].length;
  let rest = plain.slice(from);
  for (const [name, field] of Object.entries(ownFields(cls))) {
    const quoted = name.replace(/[.*+?^${}()|[\]\\]/gu, "\\$&");
    const call = new RegExp(`((?:^|[\\s{,])(["']?)${quoted}\\2\\s*:\\s*)([\\p{ID_Start}$_][\\p{ID_Continue}$.]*)(?=\\s*\\()`, "u");
    rest = rest.replace(call, (all, before: string, _quote, helper: string) =>
      FIELD_KINDS.some((kind) => kind === helper) ? all : before + field.kind,
    );
  }
  return plain.slice(0, from) + rest;
}
