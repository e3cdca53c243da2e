import type { EmergeClass } from "./object.js";

/** What a client knows of classes: one file system and the transactions that it has begun share it. */
export class Known {
  /** Classes that the node has, or is getting: one request for each version. */
  readonly sent = new Map<string, Promise<void>>();
  /** The user's own classes, by registered name. */
  readonly defined = new Map<string, EmergeClass>();
  /** The class that objects of a class version become, by its address. */
  readonly resolved = new Map<string, EmergeClass>();
  /** The class of the object fetched last, which is most often that of the next one too. */
  last: { readonly hash: Uint8Array; readonly cls: EmergeClass } | undefined;
}
