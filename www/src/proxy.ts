import { errorOf } from "./error.js";

/** What a proxy must not be asked for: names by which JavaScript itself reaches into an object. */
const FORBIDDEN: ReadonlySet<string> = new Set([
  "constructor", "__proto__", "prototype", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__",
]);

/** What a proxy's prototype belongs to: one that is not a plain object's, so that a proxy is not taken for an empty map. */
class RemoteObject {}

/** An object whose every property is a method that runs on the node. */
export function proxyOf(path: string, call: (method: string, args: unknown[]) => Promise<unknown>): object {
  const methods = new Map<string, (...args: unknown[]) => Promise<unknown>>();
  const refuse = (what: string, field?: string): never => {
    throw errorOf("bad_argument", `a proxy of ${path} ${what}; its properties are methods of the object on the node`, {
      path,
      field,
    });
  };
  return new Proxy(Object.freeze(new RemoteObject()), {
    get(_target, name) {
      // Symbols are asked for by the language and by consoles. With a `then`, `await proxy` would call the node.
      if (typeof name === "symbol" || name === "then") return undefined;
      if (FORBIDDEN.has(name)) return refuse(`has no ${name}`, name);
      let method = methods.get(name);
      if (!method) {
        method = (...args) => call(name, args);
        methods.set(name, method);
      }
      return method;
    },
    has: (_target, name) => typeof name === "string" && name !== "then" && !FORBIDDEN.has(name),
    set: (_target, name) => refuse("cannot be written to", String(name)),
    defineProperty: (_target, name) => refuse("cannot be written to", String(name)),
    deleteProperty: (_target, name) => refuse("cannot be written to", String(name)),
    setPrototypeOf: () => refuse("has no prototype"),
  });
}
