import { errorOf } from "./error.js";
import { type Field, type FieldKind, FIELD_KINDS, type Fields, kindOf } from "./fields.js";
import { Meta, type RawKnown, type StoredMeta } from "./meta.js";
import type { FieldDecl } from "./wire.js";
import { decodeValue, encodeField } from "./values.js";

/** What an object that came from a node, or went there, remembers of it. */
export interface Head {
  /** The path. */
  path: string;
  /** The properties; read when they are asked for. */
  stat: RawKnown | (() => RawKnown);
  /** The version of `state`. */
  version: number;
  /** The encoded fields as the node has them: what a later store is compared with. */
  state: Uint8Array;
  /** True for an earlier version: storing it means all of it. */
  historic: boolean;
}

/** A field as its class declares it. */
export interface Declared {
  readonly kind: FieldKind;
  readonly doc: string | undefined;
  /** The encoded default. */
  readonly initial: Uint8Array;
  /** The default, when it needs no copy for each object. */
  readonly shared: { value: unknown } | undefined;
}

/** A class of objects: {@link EmergeObject} or one that extends it. */
export interface EmergeClass<T extends EmergeObject = EmergeObject> {
  new (fields?: never): T;
  readonly prototype: T;
  readonly name: string;
  readonly fields?: Fields;
  readonly className?: string;
  readonly doc?: string;
}

// Tells the constructor that the fields come from a node, so that nothing of the class is run.
const BARE: unique symbol = Symbol("bare");

let headOf: (object: EmergeObject) => Head | undefined;
let setHead: (object: EmergeObject, head: Head | undefined) => void;

/**
 * The base of all classes whose objects Emerge keeps.
 *
 * ```js
 * class InventoryItem extends EmergeObject {
 *   static fields = { unitPrice: float(0), quantityOnHand: int(0) };
 *   totalCost() { return this.unitPrice * this.quantityOnHand; }
 * }
 * ```
 *
 * Fields are the object's own properties. A class without `static fields` takes any.
 */
export class EmergeObject {
  /** The declared fields, with their types and defaults. */
  static readonly fields?: Fields;
  /** The registered name; needed when a minifier may rename the class, else `class X`'s own name counts. */
  static readonly className?: string;
  /** One paragraph on what the class is. */
  static readonly doc?: string;

  #head: Head | undefined;
  #meta: Meta | undefined;

  static {
    headOf = (object) => (#head in object ? object.#head : undefined);
    setHead = (object, head) => {
      object.#head = head;
      object.#meta = undefined;
    };
  }

  /** A new object with these fields; those that are not given have their defaults. */
  constructor(fields?: Readonly<Record<string, unknown>>) {
    if ((fields as unknown) === BARE) return;
    const cls = new.target as unknown as EmergeClass;
    const declared = declarationOf(cls);
    const special = specialNames(cls);
    for (const [name, field] of declared) {
      setField(this, special, name, field.shared ? field.shared.value : decodeValue(field.initial));
    }
    if (fields === undefined) return;
    if (typeof fields !== "object" || (fields as unknown) === null) {
      throw errorOf("bad_argument", `${new.target.name} takes an object of fields, as in { price: 3 }`);
    }
    for (const [name, value] of Object.entries(fields)) {
      if (declared.size > 0 && !declared.has(name)) throw unknownField(new.target.name, name, declared);
      setField(this, special, name, value);
    }
  }

  /** The properties that the node gives: path, version, owner …; `undefined` until it has been stored or fetched. After a store some are not known ({@link StoredMeta}). */
  get meta(): StoredMeta | undefined {
    if (!(#head in this)) return undefined;
    const head = this.#head;
    if (head === undefined) return undefined;
    if (this.#meta === undefined) {
      if (typeof head.stat === "function") head.stat = head.stat();
      this.#meta = new Meta(head.path, head.stat);
    }
    return this.#meta;
  }
}

export { headOf, setHead };

function unknownField(className: string, name: string, declared: ReadonlyMap<string, Declared>): Error {
  const known = [...declared.keys()].join(", ");
  return errorOf("bad_argument", `class ${className} declares no field ${JSON.stringify(name)}; it has ${known}`, {
    field: name,
  });
}

const specials = new WeakMap<object, ReadonlySet<string>>();

/**
 * The names that an assignment would not make own properties: a getter refuses it and a setter runs, and getting an object must run
 * nothing of its class.
 */
export function specialNames(cls: EmergeClass): ReadonlySet<string> {
  let names = specials.get(cls);
  if (!names) {
    const found = new Set<string>();
    for (let at: object | null = cls.prototype; at !== null; at = Object.getPrototypeOf(at) as object | null) {
      for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
        if (property.writable !== true) found.add(name);
      }
    }
    names = found;
    specials.set(cls, names);
  }
  return names;
}

/** Sets a field as an own property, also under names that mean something else to JavaScript. */
function setField(object: EmergeObject, special: ReadonlySet<string>, name: string, value: unknown): void {
  if (special.has(name)) {
    Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
  } else {
    (object as unknown as Record<string, unknown>)[name] = value;
  }
}

/** An object of a class, without fields, for which nothing of the class was run. */
export function bare<T extends EmergeObject>(cls: EmergeClass<T>): T {
  return Reflect.construct(EmergeObject, [BARE], cls) as T;
}

/** The class of an object, also when a field is named `constructor`. */
export function classOf(object: EmergeObject): EmergeClass {
  return (Object.getPrototypeOf(object) as EmergeObject).constructor as EmergeClass;
}

const declarations = new WeakMap<object, ReadonlyMap<string, Declared>>();

/** The fields that a class and those above it declare. */
export function declarationOf(cls: EmergeClass): ReadonlyMap<string, Declared> {
  const known = declarations.get(cls);
  if (known) return known;
  const parent = Object.getPrototypeOf(cls) as EmergeClass | null;
  const inherited = (cls as unknown) === EmergeObject || parent === null ? undefined : declarationOf(parent);
  const declared = new Map(inherited);
  for (const [name, field] of Object.entries(ownFields(cls))) declared.set(name, declare(cls, name, field));
  declarations.set(cls, declared);
  return declared;
}

/** Gives a class the fields that a node's record of it has, whatever its source declares. */
export function declareFields(cls: EmergeClass, fields: readonly FieldDecl[]): void {
  const parent = Object.getPrototypeOf(cls) as EmergeClass;
  const declared = new Map(declarationOf(parent));
  for (const field of fields) {
    const initial = field.default ?? encodeField("any", null, field.name);
    declared.set(field.name, shareable({ kind: kindOf(field.kind), doc: field.doc, initial }));
  }
  declarations.set(cls, declared);
}

/** What a class itself declares. */
export function ownFields(cls: EmergeClass): Fields {
  if ((cls as unknown) === EmergeObject || !Object.hasOwn(cls, "fields")) return {};
  const fields: unknown = cls.fields;
  if (typeof fields !== "object" || fields === null) {
    throw errorOf("class_invalid", `the static fields of class ${cls.name} must be an object such as { price: float(0) }`);
  }
  return fields as Fields;
}

function declare(cls: EmergeClass, name: string, field: Partial<Field> | null): Declared {
  if (typeof field !== "object" || field === null || !FIELD_KINDS.some((kind) => kind === field.kind)) {
    const why = `the field ${JSON.stringify(name)} of class ${cls.name} must be declared by float(), text() or the like`;
    throw errorOf("class_invalid", why, { field: name });
  }
  if (name === "meta") throw errorOf("class_invalid", `class ${cls.name}: "meta" is not a field's name`, { field: name });
  const kind = field.kind ?? "any";
  return shareable({ kind, doc: field.doc, initial: encodeField(kind, field.default ?? null, name) });
}

function shareable(field: Omit<Declared, "shared">): Declared {
  const value = decodeValue(field.initial);
  const shared = typeof value !== "object" || value === null ? { value } : undefined;
  return { ...field, shared };
}
