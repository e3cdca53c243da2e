import { adoptClass } from "./class.js";
import { describe } from "./describe.js";
import { errorOf } from "./error.js";
import { type EmergeClass, EmergeObject } from "./object.js";
import type { ClassVersion } from "./wire.js";

/**
 * A class for objects whose own class this program does not have: the fields are there; a method says where it runs.
 * Nothing of the stored source is run.
 */
export function standIn(lineage: readonly ClassVersion[]): EmergeClass {
  const about = describe(lineage);
  const cls = class extends EmergeObject {};
  Object.defineProperty(cls, "name", { value: about.name, configurable: true });
  for (const method of about.methods) {
    if (method.isStatic || method.name in EmergeObject.prototype) continue;
    const refuse = function (this: EmergeObject): never {
      const path = this.meta?.path;
      throw errorOf(
        "class_not_found",
        `class ${about.name} is not defined here, so ${method.name}() cannot run here; run it on the node by ` +
          `fs.call(${JSON.stringify(path ?? "/…")}, ${JSON.stringify(method.name)}), or make the class known by fs.define(${about.name})`,
        { path, field: method.name },
      );
    };
    Object.defineProperty(
      cls.prototype,
      method.name,
      method.isProperty ? { get: refuse, configurable: true } : { value: refuse, configurable: true, writable: true },
    );
  }
  const [own] = lineage;
  if (own) adoptClass(cls, own);
  return cls;
}
