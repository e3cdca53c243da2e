// The objects of the language itself, which no method can change: what stands in them is what the model library, and the code of others within the same
// call, was written for.

/** Freezes all that can be reached from the global object, and what only a syntax reaches; of the global object itself what stands there now. */
export function freezeIntrinsics(): void {
  const found = new Set<object>();
  const reach = (value: unknown): void => {
    if ((typeof value === "object" && value !== null) || typeof value === "function") found.add(value);
  };
  reach(globalThis);
  hidden().forEach(reach);
  // A set gives also what is added while it is walked.
  for (const each of found) {
    reach(Object.getPrototypeOf(each));
    for (const { value, get, set } of Object.values<PropertyDescriptor>(Object.getOwnPropertyDescriptors(each))) {
      [value, get, set].forEach(reach);
    }
    for (const key of Object.getOwnPropertySymbols(each)) reach(Object.getOwnPropertyDescriptor(each, key)?.value);
  }
  for (const proto of overridden()) Object.getOwnPropertyNames(proto).forEach((name) => letOverride(proto, name));
  // What a file or a class adds to the global object is its own.
  for (const name of Reflect.ownKeys(globalThis)) Object.defineProperty(globalThis, name, FIXED);
  found.delete(globalThis);
  found.forEach((each) => Object.freeze(each));
}

const FIXED: PropertyDescriptor = { writable: false, configurable: false };

/** What no name leads to: the prototypes of generators, of asynchronous functions and of iterators. */
function hidden(): object[] {
  return [
    function* () {},
    async () => {},
    async function* () {},
    [][Symbol.iterator](),
    new Map()[Symbol.iterator](),
    new Set()[Symbol.iterator](),
    ""[Symbol.iterator](),
    "".matchAll(/./g),
    ([].values() as unknown as { map(each: typeof String): object }).map(String),
    Uint8Array.prototype,
  ].map((each) => Object.getPrototypeOf(each) as object);
}

/** Prototypes of which a class or an error has members of its own by assignment: `this.name = "Mine"`. */
function overridden(): object[] {
  const errors = [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, AggregateError];
  return [Object.prototype, Function.prototype, ...errors.map((error) => error.prototype as object)];
}

/**
 * Assigning to a member that an object inherits, where the inherited one cannot be written, is an error (ECMA-262, OrdinarySetWithOwnDescriptor). So such a
 * member becomes a pair of functions of which the second gives the object a member of its own.
 */
function letOverride(proto: object, name: string): void {
  const descriptor = Object.getOwnPropertyDescriptor(proto, name);
  if (!descriptor?.configurable || !("value" in descriptor)) return;
  const value: unknown = descriptor.value;
  // Methods, which have no prototype of their own.
  const { get, set } = {
    get: (): unknown => value,
    set(this: unknown, own: unknown): void {
      if (this === proto || this === null || (typeof this !== "object" && typeof this !== "function")) {
        throw new TypeError(`'${name}' is read-only`);
      }
      Object.defineProperty(this, name, { value: own, writable: true, enumerable: true, configurable: true });
    },
  };
  Object.freeze(get);
  Object.freeze(set);
  Object.defineProperty(proto, name, { get, set, enumerable: descriptor.enumerable ?? false, configurable: false });
}
