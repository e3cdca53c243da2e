// Paths into objects, and children.

import { RECORD } from "./arguments.js";
import { type ClassRecord, recordOf } from "./class.js";
import { Ref } from "./codec.js";
import { errorOf } from "./error.js";
import { Meta } from "./meta.js";
import { classOf, EmergeObject, headOf } from "./object.js";
import { encodeObject } from "./state.js";
import type { RawChild } from "./wire-compose.js";

/** An object that is there: its path, a reference to it, or itself as it was stored or fetched. */
export type Child = string | Ref | EmergeObject;

/** Children to add; new objects stand under their paths in a `Map` or a plain object. */
export type Children = Child | readonly Child[] | ReadonlyMap<string, EmergeObject> | Readonly<Record<string, EmergeObject>>;

/** The path of what is named by its path or by a reference to it. */
export function pathOf(at: string | Ref): string {
  if (typeof at === "string") return at;
  if (at instanceof Ref) return at.path;
  throw errorOf("bad_argument", "the path must be a text or a Ref", { field: "path" });
}

/** Several objects: a directory's members, or each by itself, also as a listing or a search gives them. */
export type Several = string | Ref | Iterable<One> | AsyncIterable<One>;

/** One of several objects. */
export type One = string | Ref | Meta | EmergeObject;

/** Whether a loop can go over it. */
export function isIterable(value: unknown): boolean {
  return typeof value === "object" && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value);
}

/** The paths of several objects. */
export async function pathsOf(several: Iterable<One> | AsyncIterable<One>): Promise<string[]> {
  if (!isIterable(several)) throw errorOf("bad_argument", "what is called is named by a path, or by several objects that can be iterated", { field: "path" });
  const paths: string[] = [];
  for await (const one of several) {
    if (one instanceof Meta) paths.push(one.path);
    else if (one instanceof EmergeObject) paths.push(there(one).path);
    else paths.push(pathOf(one));
  }
  return paths;
}

/** A path with a field path behind it. */
export function inside(path: string, field: string | undefined): string {
  if (field === undefined) return path;
  if (!path.includes("#")) return `${path}#${field}`;
  return field.startsWith("[") ? path + field : `${path}.${field}`;
}

/** Children as they travel; the classes of new ones are added to `used`. */
export function rawChildren(children: Children, used: Set<ClassRecord>): RawChild[] {
  if (Array.isArray(children)) return Array.from(children as readonly Child[], there);
  if (typeof children === "string" || children instanceof Ref || children instanceof EmergeObject) return [there(children)];
  if (!RECORD.fits(children)) throw wrong("children are a path, a Ref, an object, an array of these, or new objects by their paths");
  const made = children instanceof Map ? (children as ReadonlyMap<string, EmergeObject>) : Object.entries(children);
  return Array.from(made, ([path, object]) => {
    if (!(object instanceof EmergeObject)) throw wrong(`what is to be stored at ${path} is no instance of a class that extends EmergeObject`);
    const cls = classOf(object);
    const record = recordOf(cls);
    used.add(record);
    return { path, made: { hash: record.hash, fields: encodeObject(object, cls, used) } };
  });
}

function there(child: Child): RawChild {
  if (!(child instanceof EmergeObject)) return { path: pathOf(child) };
  const path = headOf(child)?.path;
  if (path === undefined) throw wrong("a new object needs a path: give { \"/farms/hill\": object }");
  return { path };
}

function wrong(why: string): Error {
  return errorOf("bad_argument", why, { field: "children" });
}
