// Classes in WebAssembly: the same module that the node runs, run here. What it says of itself and the bytes of a call are described in
// `crates/proto/MODULE.md`.

import { adoptSource, type ClassRecord, recordOf } from "./class.js";
import { Encoder } from "./codec.js";
import { EmergeError, errorOf } from "./error.js";
import { FIELD_KINDS, kindNumber } from "./fields.js";
import { ERROR_CODES, LIMITS } from "./generated.js";
import { bare, type EmergeClass, EmergeObject } from "./object.js";
import { encodeArgs, encodeObject } from "./state.js";
import { hex } from "./sha256.js";
import { ByteReader } from "./bytes.js";
import { decodeState, decodeValue, encodeField } from "./values.js";
import { type FieldDecl, type Param, readError, signature } from "./wire.js";

/** Where a module of a class comes from. */
export type ModuleSource = BufferSource | Response | PromiseLike<BufferSource | Response>;

const SECTION = "emerge.class";
const INTERFACE = 1;
const IMPORTS = new Set(["request", "log", "fail"]);
const EXPORTS = { memory: "memory", emerge_alloc: "function", emerge_call: "function" } as const;
const ARRAY = 4, UNSIGNED = 0;

interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly emerge_alloc: (length: number) => number;
  readonly emerge_call: (at: number, length: number) => bigint;
}

interface ModuleParam extends Param {
  /** The default, as an encoded value. */
  readonly initial: Uint8Array | undefined;
}

interface ModuleMethod {
  readonly name: string;
  readonly params: readonly ModuleParam[];
  readonly isStatic: boolean;
  readonly isProperty: boolean;
  readonly returns: string | undefined;
}

/**
 * The class of a module in WebAssembly, such as `#[emerge::class]` makes of Rust: its objects have the fields and methods that the module declares, and
 * the methods run here, at once, each call in a new instance. What a method asks of `fs` it has on the node only: such a one is called by `fs.call`.
 *
 * ```js
 * const Account = await wasmClass(fetch("account.wasm"));
 * await fs.store("/accounts/ada", new Account({ owner: "Ada", balance: 100 }));
 * ```
 */
export async function wasmClass<T extends EmergeObject = EmergeObject>(source: ModuleSource): Promise<EmergeClass<T>> {
  const bytes = await bytesOf(await source);
  let module: WebAssembly.Module;
  try {
    module = await WebAssembly.compile(bytes);
  } catch (error) {
    throw invalid(`this is no WebAssembly module: ${error instanceof Error ? error.message : String(error)}`);
  }
  checkModule(module);
  return classOf(module, bytes) as EmergeClass<T>;
}

/** A copy: what is sent to a node later must be what was compiled. */
async function bytesOf(source: BufferSource | Response): Promise<Uint8Array<ArrayBuffer>> {
  if (source instanceof Response) {
    if (!source.ok) throw invalid(`${source.url} gave no module, but ${source.status} ${source.statusText}`);
    return new Uint8Array(await source.arrayBuffer());
  }
  const view = ArrayBuffer.isView(source) ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength) : undefined;
  if (!view && !((source as unknown) instanceof ArrayBuffer)) {
    throw errorOf("bad_argument", "the module must be bytes, or a Response", { field: "source" });
  }
  return new Uint8Array(view ?? (source as ArrayBuffer));
}

function invalid(why: string, field = "module"): EmergeError {
  return errorOf("class_invalid", why, { field });
}

function checkModule(module: WebAssembly.Module): void {
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    if (from === "emerge" && IMPORTS.has(name)) continue;
    const why = `the module imports ${from}.${name}, and may import emerge.request, emerge.log, emerge.fail only; it has no WASI`;
    throw invalid(why, `${from}.${name}`);
  }
  const kinds = new Map(WebAssembly.Module.exports(module).map(({ name, kind }) => [name, kind]));
  for (const [name, kind] of Object.entries(EXPORTS)) {
    if (kinds.get(name) !== kind) throw invalid(`the module exports no ${kind} ${name}`, name);
  }
}

function classOf(module: WebAssembly.Module, bytes: Uint8Array): EmergeClass {
  if (bytes.length > LIMITS.MAX_MODULE) {
    const why = `the module is ${bytes.length} bytes; the limit is ${LIMITS.MAX_MODULE}`;
    throw errorOf("too_large", why, { field: "module", limit: LIMITS.MAX_MODULE });
  }
  const about = described(module);
  if (about.interface !== INTERFACE) {
    throw invalid(`the module was made for interface ${about.interface}; this is interface ${INTERFACE}`, "interface");
  }
  const cls = class extends EmergeObject {};
  Object.defineProperty(cls, "name", { value: about.name, configurable: true });
  for (const method of about.methods) {
    const run = function (this: unknown, ...args: unknown[]): unknown {
      return call(module, cls, method, method.isStatic ? undefined : (this as EmergeObject), args);
    };
    Object.defineProperty(run, "name", { value: method.name, configurable: true });
    Object.defineProperty(
      method.isStatic ? cls : cls.prototype,
      method.name,
      method.isProperty ? { get: run, configurable: true } : { value: run, configurable: true, writable: true },
    );
  }
  const { name, fields, doc } = about;
  adoptSource(cls, { name, language: 2, source: "", bases: [], fields, doc, module: bytes });
  return cls;
}

interface About {
  readonly interface: number;
  readonly name: string;
  readonly doc: string | undefined;
  readonly fields: readonly FieldDecl[];
  readonly methods: readonly ModuleMethod[];
}

/** What the module says of itself, in one map or several. The node checks more of it; here it is read as far as it is used. */
function described(module: WebAssembly.Module): About {
  const all = new Map<string, Uint8Array[]>();
  for (const section of WebAssembly.Module.customSections(module, SECTION)) {
    const bytes = new Uint8Array(section);
    for (let at = 0; at < bytes.length; ) {
      const reader = new ByteReader(bytes, at);
      for (const [key, value] of entries(reader)) all.set(key, [...(all.get(key) ?? []), value]);
      at = reader.position;
    }
  }
  if (all.size === 0) throw invalid(`the module has no section "${SECTION}", which says what class it is`);
  const whole: Entries = new Map([...all].flatMap(([key, values]) => (values[0] ? [[key, values[0]]] : [])));
  const parts = (key: string): Entries[] => (all.get(key) ?? []).flatMap((list) => listOf(list, key));
  return {
    interface: Number(decoded(whole, "interface")),
    name: textOf(whole, "name"),
    doc: optionalText(whole, "doc"),
    fields: parts("fields").map((field) => {
      const [name, type] = [textOf(field, "name"), optionalText(field, "type") ?? "any"];
      const kind = FIELD_KINDS.find((kind) => kind === type);
      if (kind === undefined) throw invalid(`the field ${name} is of the type ${type}, which is not a type of fields`, name);
      return { name, kind: kindNumber(kind), default: field.get("default"), doc: optionalText(field, "doc") };
    }),
    methods: parts("methods").map((method) => ({
      name: textOf(method, "name"),
      isStatic: decoded(method, "static") === true,
      isProperty: decoded(method, "property") === true,
      returns: optionalText(method, "returns"),
      params: listOf(method.get("params"), "params").map((param) => {
        const initial = param.get("default");
        const shown = initial === undefined ? undefined : JSON.stringify(decodeValue(initial)) ?? "…";
        return { name: textOf(param, "name"), type: optionalText(param, "type"), default: shown, initial };
      }),
    })),
  };
}

type Entries = Map<string, Uint8Array>;

function entries(reader: ByteReader): Entries {
  const map: Entries = new Map();
  for (let left = reader.map(); left > 0; left -= 1) {
    const key = reader.text();
    map.set(key, reader.item());
  }
  return map;
}

function listOf(list: Uint8Array | undefined, key: string): Entries[] {
  if (list === undefined) return [];
  const reader = new ByteReader(list);
  const maps: Entries[] = [];
  try {
    for (let left = reader.array(); left > 0; left -= 1) maps.push(entries(reader));
  } catch {
    throw invalid(`${key} of the module's description is no list of maps`, key);
  }
  return maps;
}

function decoded(map: Entries, key: string): unknown {
  const value = map.get(key);
  return value === undefined ? undefined : decodeValue(value);
}

function optionalText(map: Entries, key: string): string | undefined {
  const value = decoded(map, key) ?? undefined;
  if (value === undefined || typeof value === "string") return value;
  throw invalid(`${key} of the module's description is no text`, key);
}

function textOf(map: Entries, key: string): string {
  const text = optionalText(map, key);
  if (text === undefined) throw invalid(`the module's description lacks ${key}`, key);
  return text;
}

/** An argument for each parameter: what was not given has its default. */
function placed(method: ModuleMethod, args: readonly unknown[], used: Set<ClassRecord>): Uint8Array {
  const refused = (why: string, field: string): EmergeError => {
    const shown = signature({ ...method, isAsync: false });
    return errorOf("bad_argument", `${method.name}() ${why}; it is called as ${shown}`, { field });
  };
  const hasRest = method.params.at(-1)?.name.startsWith("...") === true;
  const named = method.params.length - (hasRest ? 1 : 0);
  if (!hasRest && args.length > named) throw refused(`takes ${named} arguments, and ${args.length} were given`, "args");
  const encoder = new Encoder();
  encoder.head(ARRAY, method.params.length);
  for (const [place, { name, initial }] of method.params.slice(0, named).entries()) {
    const given = args[place] === undefined ? initial : encodeField("any", args[place], name, used);
    if (given === undefined) throw refused(`was not given the argument ${JSON.stringify(name)}`, name);
    encoder.raw(given);
  }
  if (hasRest) encoder.raw(encodeArgs(args.slice(named), used));
  return encoder.take();
}

const EMPTY_MAP = Uint8Array.of(0xa0);

function call(module: WebAssembly.Module, cls: EmergeClass, method: ModuleMethod, object: EmergeObject | undefined, args: readonly unknown[]): unknown {
  const what = `${cls.name}.${method.name}`;
  if (object !== undefined && !(object instanceof cls)) {
    throw errorOf("bad_argument", `${what} is called on an object of its class`, { field: "this" });
  }
  const own = recordOf(cls);
  const used = new Set<ClassRecord>([own]);
  const path = object?.meta?.path ?? "";
  const encoder = new Encoder();
  encoder.head(ARRAY, 7);
  encoder.text(method.name);
  encoder.text(path);
  encoder.raw(object ? encodeObject(object, cls, used) : EMPTY_MAP);
  encoder.raw(placed(method, args, used));
  encoder.head(UNSIGNED, Date.now() * 1000);
  encoder.head(UNSIGNED, Math.floor(Math.random() * Number.MAX_SAFE_INTEGER));
  encoder.bytes(own.hash);
  const reader = new ByteReader(run(module, what, path, encoder.take()));
  const lookup = (hash: Uint8Array): EmergeClass | undefined => [...used].find(({ key }) => key === hex(hash))?.cls;
  let result: Uint8Array, state: Uint8Array | undefined;
  try {
    reader.array();
    if (reader.uint() !== 0) throw readError(reader);
    result = reader.item();
    state = reader.takeNull() ? undefined : reader.item();
  } catch (error) {
    if (!(error instanceof EmergeError) || error.code !== "bad_frame") throw error;
    throw errorOf("method_failed", `${what} gave no reply that can be read: ${error.message}`);
  }
  if (object && state) leave(object, cls, state, lookup);
  return decodeValue(result, lookup);
}

/** Gives an object the fields that its method left. */
function leave(object: EmergeObject, cls: EmergeClass, state: Uint8Array, lookup: (hash: Uint8Array) => EmergeClass | undefined): void {
  const left = bare(cls);
  decodeState(left, state, lookup, []);
  for (const name of Object.keys(object)) if (!Object.hasOwn(left, name)) Reflect.deleteProperty(object, name);
  Object.defineProperties(object, Object.getOwnPropertyDescriptors(left));
}

/** Runs a request in a new instance, as the node does: nothing of one call is there in the next. */
function run(module: WebAssembly.Module, what: string, path: string, request: Uint8Array): Uint8Array {
  let exports: Exports | undefined;
  const view = (at: number, length: number): Uint8Array => new Uint8Array(ready().memory.buffer, at >>> 0, length >>> 0);
  const text = (at: number, length: number): string => new TextDecoder().decode(view(at, length));
  const ready = (): Exports => {
    if (!exports) throw invalid("nothing can be asked before the module has been started");
    return exports;
  };
  const put = (bytes: Uint8Array): number => {
    const at = ready().emerge_alloc(bytes.length);
    view(at, bytes.length).set(bytes);
    return at;
  };
  const emerge = {
    request: (): bigint => {
      const why =
        `${what} asks for an operation of fs, which a method has on the node only: run it there by ` +
        `fs.call(${JSON.stringify(path === "" ? "/…" : path)}, ${JSON.stringify(what.slice(what.indexOf(".") + 1))})`;
      const encoder = new Encoder();
      encoder.head(ARRAY, 2);
      encoder.head(UNSIGNED, ERROR_CODES.indexOf("unsupported"));
      encoder.text(why);
      const reply = Uint8Array.of(1, ...encoder.take());
      return (BigInt(put(reply) >>> 0) << 32n) | BigInt(reply.length);
    },
    log: (at: number, length: number): void => console.log(text(at, length)),
    fail: (at: number, length: number): never => {
      throw errorOf("method_failed", `${what} failed: ${text(at, length)}`);
    },
  };
  try {
    exports = new WebAssembly.Instance(module, { emerge }).exports as unknown as Exports;
    const packed = BigInt.asUintN(64, exports.emerge_call(put(request), request.length));
    return view(Number(packed >> 32n), Number(packed & 0xffff_ffffn)).slice();
  } catch (error) {
    if (error instanceof EmergeError) throw error;
    throw errorOf("method_failed", `${what} failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}
