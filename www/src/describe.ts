import { errorOf } from "./error.js";
import { type FieldKind, kindOf } from "./fields.js";
import { LANGUAGE_NAMES } from "./generated.js";
import { hex } from "./sha256.js";
import { decodeValue } from "./values.js";
import { type ClassSource, type ClassVersion, type Method, signature } from "./wire.js";

/** A method of a class. */
export interface MethodInfo extends Method {
  /** As it is called: `totalCost(discount = 0)`. */
  readonly signature: string;
  /** The class that has it. */
  readonly from: string;
  /** The packages of native Python that its object's class requires. */
  readonly requires: readonly string[];
}

/** A declared field of a class. */
export interface FieldInfo {
  readonly name: string;
  readonly type: FieldKind;
  readonly default: unknown;
  readonly doc: string | null;
}

/** A class version, its inherited members included. */
export interface Description {
  /** The registered name. */
  readonly name: string;
  /** The address, 32 hexadecimal digits. */
  readonly hash: string;
  /** 1, 2, 3 … within the class. */
  readonly version: number;
  readonly language: (typeof LANGUAGE_NAMES)[number];
  readonly owner: string;
  readonly created: Date;
  readonly doc: string | null;
  /** The names of the classes that it inherits from, nearest first. */
  readonly bases: readonly string[];
  readonly fields: readonly FieldInfo[];
  readonly methods: readonly MethodInfo[];
  /** The packages of the node's native Python that it and its bases require. */
  readonly requires: readonly string[];
  /** The source of the class alone. */
  readonly source: string;
}

/** A class from its record and those of its bases, nearest first. */
export function describe(lineage: readonly ClassVersion[]): Description {
  const [own, ...bases] = lineage;
  if (!own) throw errorOf("class_not_found", "the node gave no class");
  const fields = new Map<string, FieldInfo>();
  for (const { source } of [...lineage].reverse()) {
    for (const field of source.fields) {
      const value = field.default === undefined ? null : decodeValue(field.default);
      fields.set(field.name, { name: field.name, type: kindOf(field.kind), default: value, doc: field.doc ?? null });
    }
  }
  const requires = [...new Set(lineage.flatMap(({ source }) => source.requires ?? []))];
  const methods = new Map<string, MethodInfo>();
  for (const version of lineage) {
    for (const method of version.methods) {
      if (methods.has(method.name)) continue;
      methods.set(method.name, { ...method, signature: signature(method), from: version.source.name, requires });
    }
  }
  return {
    name: own.source.name,
    hash: hex(own.hash),
    version: own.version,
    language: LANGUAGE_NAMES[own.source.language] ?? "javascript",
    owner: own.owner,
    created: new Date(Math.floor(own.created / 1000)),
    doc: own.source.doc ?? null,
    bases: bases.map((base) => base.source.name),
    fields: [...fields.values()],
    methods: [...methods.values()],
    requires,
    source: shown(own.source),
  };
}

/** The source for people: the text, or of a module what it is. */
function shown({ name, source, module }: ClassSource): string {
  return module === undefined ? source : `class ${name}: a WebAssembly module of ${module.length} bytes`;
}

/** What a class says of itself, for people. */
export function helpText(about: Description): string {
  const lines = [`class ${about.name}${about.bases.length > 0 ? ` (${about.bases.join(", ")})` : ""}, version ${about.version}`];
  if (about.doc !== null) lines.push("", about.doc);
  if (about.requires.length > 0) lines.push("", `Requires ${about.requires.join(", ")}`);
  if (about.fields.length > 0) {
    lines.push("", "Fields");
    for (const field of about.fields) lines.push(`  ${field.name}: ${field.type}${field.doc === null ? "" : `  ${field.doc}`}`);
  }
  if (about.methods.length > 0) {
    lines.push("", "Methods");
    for (const method of about.methods) {
      lines.push(`  ${method.isAsync ? "async " : ""}${method.signature}`);
      if (method.doc !== undefined) lines.push(...method.doc.split("\n").map((line) => `      ${line}`));
    }
  }
  return lines.join("\n");
}
