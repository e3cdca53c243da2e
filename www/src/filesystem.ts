import { Accounts } from "./accounts.js";
import { check, CLASS, LIST, RECORD, TEXT, type Which } from "./arguments.js";
import { copyTree, storeEach } from "./bulk.js";
import { ByteReader } from "./bytes.js";
import { type ClassRecord, nameOf, recordOf } from "./class.js";
import { EmergeError, errorOf } from "./error.js";
import { Directory, directoryOf, Told } from "./directory.js";
import { type Description, describe, type MethodInfo, helpText } from "./describe.js";
import { sourceOf } from "./function.js";
import { Known } from "./known.js";
import { joinPath, Meta, metas, type RawKnown, UNKNOWN } from "./meta.js";
import { wasmClass } from "./module.js";
import { StoreMode } from "./generated.js";
import { bare, classOf, type EmergeClass, EmergeObject, type Head, headOf, setHead } from "./object.js";
import { optionsFor } from "./options.js";
import { proxyOf } from "./proxy.js";
import { indexInfo, scoreOf, Search, type SearchOptions, searchOptions, type TextMatch } from "./search.js";
import { hex } from "./sha256.js";
import { Ref } from "./codec.js";
import { type Children, inside, pathOf, pathsOf, rawChildren, type Several } from "./compose.js";
import type {
  AnyObject, CallEachOptions, Called, CopyProgress, Diff, How, IndexInfo, InvokeOptions, Kept, ListOptions, MemberResult, Mixed, Options,
  Remote, StoreAllOptions, StoreOptions, Stored, Transport, VersionInfo,
} from "./results.js";
import { standIn } from "./standin.js";
import { changes, encodeArgs, encodeObject } from "./state.js";
import { Stream } from "./stream.js";
import { Trust, type TrustStorage } from "./trust.js";
import { decodeState, decodeValue, encodeField } from "./values.js";
import { diffOf, historyOf } from "./versions.js";
import { type Change, watch, type WatchOptions } from "./watch.js";
import { opAdd, opChildren, opMigrate, opMixin, opQuery, opSet, type RawFetchedChild, readFetched, readMixed } from "./wire-compose.js";
import {
  opCall, opChmod, opChown, opClassByHash, opClassOf, opCp, opDiff, opGet, opHistory, opList, opMkdir, opMv, opPurge, opRestore,
  opRm, opSetRules, opStat, opStore, readCalled, readLineage, readMember,
  readStat, readStored,
} from "./wire.js";
import { readPage } from "./wire-listing.js";
import { opCreateIndex, opDropIndex, opIndexes, type RawMatch, readIndex, readIndexes } from "./wire-search.js";

/** The object file system of a node. */
export class FileSystem {
  readonly #transport: Transport;
  readonly #known: Known;
  /** The users and groups that the node knows, which are the administrator's to see and to change, and tokens. */
  readonly accounts: Accounts;
  /** The class versions whose methods have all rights of this program's user when it calls them. */
  readonly trust: Trust;

  /** With another file system, what that knows of classes, and trusts, is shared. */
  constructor(transport: Transport, other?: FileSystem, storage?: TrustStorage) {
    this.#transport = transport;
    this.accounts = new Accounts(transport);
    this.trust = other === undefined ? new Trust(transport, storage) : other.trust;
    this.#known = other === undefined ? new Known() : other.#known;
  }

  /**
   * Makes this program's classes known, so that fetched objects become their instances; storing one does so too, for objects of classes in
   * the same language. Classes go by their registered names. Nothing is sent.
   */
  define(...classes: EmergeClass[]): this {
    for (const cls of classes) check(CLASS, cls, "class");
    for (const cls of classes) this.#known.define(cls);
    return this;
  }

  /**
   * Stores an object; directories are made on the way. Of an object that was fetched from there, or stored there, only
   * the fields that changed are sent, and it is a `conflict` when it has moved on meanwhile. Of its `meta` what the node does not tell of a
   * store is `undefined` (`StoredMeta`).
   */
  async store<T extends EmergeObject>(at: string, object: T, options?: StoreOptions): Promise<Kept<T>> {
    const given = optionsFor.store(options);
    check(TEXT, at, "path");
    const path = normal(at);
    if (!((object as unknown) instanceof EmergeObject)) {
      throw errorOf("unmappable_value", `only an instance of a class that extends EmergeObject can be stored at ${path}`, {
        path,
      });
    }
    if (object instanceof Directory || object instanceof Told) {
      throw errorOf("unmappable_value", `a directory, or what the node itself tells, cannot be stored at ${path}`, { path });
    }
    const cls = classOf(object);
    const head = headOf(object);
    const record = recordOf(cls);
    const used = new Set([record]);
    const state = encodeObject(object, cls, used);
    let op: Uint8Array;
    if (head !== undefined && head.path === path && !head.historic && given.create !== true) {
      const { changed, removed } = changes(head.state, state, cls);
      const mode = given.overwrite === true ? StoreMode.overwrite : StoreMode.patch;
      op = opStore(path, record.hash, changed, mode, head.version, removed.length > 0 ? removed : undefined, statOf(head).id);
    } else if (head?.historic === true && head.path === path && given.overwrite !== true) {
      throw errorOf("conflict", `version ${head.version} of ${path} is not its newest; overwrite to restore it`, { path });
    } else {
      op = opStore(path, record.hash, state, given.create === true ? StoreMode.create : StoreMode.put);
    }
    await this.#known.send(this.#transport, used, given);
    const stored = readStored(new ByteReader(await this.#transport.request(op, given)));
    const properties = head?.path === path ? statOf(head) : UNKNOWN;
    const stat: RawKnown = {
      ...properties,
      name: path.slice(path.lastIndexOf("/") + 1),
      id: stored.id,
      class: record.name,
      classHash: record.hash,
      classVersion: properties.classHash && hex(properties.classHash) === record.key ? properties.classVersion : undefined,
      version: stored.version,
      created: stored.version === 1 ? stored.modified : properties.created,
      modified: stored.modified,
      size: state.length,
    };
    setHead(object, { path, stat, version: stored.version, state, historic: false });
    return object as Kept<T>;
  }

  /** Stores many objects, some at a time; ends at the first error, which names the path. Gives how many were stored. */
  async storeAll(
    entries: Iterable<readonly [string, EmergeObject]> | AsyncIterable<readonly [string, EmergeObject]>,
    options?: StoreAllOptions,
  ): Promise<number> {
    const given = optionsFor.storeAll(options);
    return storeEach(entries, given, (path, object) => this.store(path, object, given));
  }

  /**
   * Fetches what is at a place inside an object: `await fs.get("/customers/c0#farms[0].name")`. A reference there leads on to its object,
   * which is what comes then.
   */
  get<T = unknown>(path: `${string}#${string}`, options?: Options & { version?: Which | undefined }): Promise<T>;
  /**
   * Fetches an object, or a directory ({@link Directory}) with the first of its members. An object becomes an instance of this program's
   * class of that name; of an unknown class it has the fields, and its methods say where they run. Nothing of a stored class is ever run here.
   */
  get<T extends EmergeObject = AnyObject>(path: string | Ref, options?: Options & { version?: Which | undefined }): Promise<Stored<T>>;
  get(at: string | Ref, options?: Options & { version?: Which | undefined }): Promise<unknown> {
    // Not `async`: of all operations this one is asked for most, and each turn of the event loop costs.
    try {
      const path = pathOf(at);
      const given = optionsFor.get(options);
      if (path.includes("#")) return this.#getInside(path, given);
      const { version } = given;
      const reply = this.#transport.request(opGet(path, version), given);
      return reply.then((reply) => this.#fetched(path, reply, version !== undefined));
    } catch (error) {
      const failure: Error = error as Error;
      return Promise.reject(failure);
    }
  }

  async #getInside(path: string, options: Options & { version?: Which | undefined }): Promise<unknown> {
    const reply = await this.#transport.request(opGet(path, options.version), options);
    const fetched = readFetched(new ByteReader(reply));
    if (fetched.part !== undefined) return this.#value(fetched.state);
    return this.#fetched(fetched.path ?? path, reply, false);
  }

  /**
   * Fetches the objects that a list of references leads to, in one request unless they are many or large: `await fs.children("/customers/c0", "farms")`.
   * For a child that was deleted, or that the caller may not read, there is `null` in its place.
   */
  async children<T extends EmergeObject = AnyObject>(
    path: string | Ref,
    field?: string,
    options?: Options & { version?: Which | undefined },
  ): Promise<(Stored<T> | null)[]> {
    const given = optionsFor.get(options);
    if (field !== undefined) check(TEXT, field, "field");
    const at = inside(pathOf(path), field);
    const found: (EmergeObject | null)[] = [];
    for (;;) {
      const reply = await this.#transport.request(opChildren(at, found.length, given.version), given);
      const { children } = readFetched(new ByteReader(reply));
      for (const child of children?.items ?? []) found.push(await this.#child(child));
      if (!children || children.items.length === 0 || found.length >= children.total) return found as (Stored<T> | null)[];
    }
  }

  #child({ path, stat, state, error }: RawFetchedChild): EmergeObject | null | Promise<EmergeObject> {
    if (error && error.code !== "not_found" && error.code !== "permission_denied") throw error;
    if (error || !stat?.classHash || !state) return null;
    const head = { path, version: stat.version, state, historic: false, stat };
    return this.#resolve(stat.classHash, stat.class).then((cls) => this.#instance(cls, head));
  }

  /**
   * Makes objects the children of another: references to them are added to the list in a field of it. A child is a path, a reference or a stored object, or,
   * to be stored by the same transaction, a new object under its path in a `Map` or a plain object. Gives the parent's version.
   */
  async add(parent: string | Ref, field: string, children: Children, options?: Options): Promise<number> {
    const given = optionsFor.any(options);
    const used = new Set<ClassRecord>();
    const op = opAdd(pathOf(parent), field, rawChildren(children, used));
    await this.#known.send(this.#transport, used, given);
    return readStored(new ByteReader(await this.#transport.request(op, given))).version;
  }

  /**
   * Sets one place inside an object, `await fs.set("/customers/c0#address.city", "Ulm")`, and gives the object's version. The last name may be new. With
   * `base` it is a `conflict` when the object is at another version.
   */
  async set(path: string, value: unknown, options?: Options & { base?: number | undefined }): Promise<number> {
    const given = optionsFor.set(options);
    const used = new Set<ClassRecord>();
    const op = opSet(path, encodeField("any", value, "value", used), given.base);
    await this.#known.send(this.#transport, used, given);
    return readStored(new ByteReader(await this.#transport.request(op, given))).version;
  }

  /** Fetches the properties of what is stored at a path. */
  async stat(at: string | Ref, options?: Options): Promise<Meta> {
    const path = pathOf(at);
    return new Meta(normal(path), readStat(new ByteReader(await this.#transport.request(opStat(path), optionsFor.any(options)))));
  }

  /** Whether anything is stored at a path, or at a place inside an object. */
  async exists(path: string, options?: Options): Promise<boolean> {
    try {
      await this.stat(path, options);
      return true;
    } catch (error) {
      if (error instanceof EmergeError && error.code === "not_found") return false;
      // A part that is there is no object, which has properties.
      if (error instanceof EmergeError && error.code === "bad_argument" && error.path !== undefined) return true;
      throw error;
    }
  }

  /** Lists a directory with the properties of its members: `for await (const meta of fs.list("/"))`. */
  list(path: string, options?: ListOptions): Stream<Meta> {
    const given = optionsFor.list(options);
    const op = opList(path, given);
    const pages = (): AsyncIterable<Uint8Array> => this.#transport.stream(op, given, PAGES);
    return Stream.flat(pages, (page) => metas(normal(path), readPage(new ByteReader(page)).members));
  }

  /** One page of a listing, and the name to go on after; `next` is `null` on the last page. */
  async page(path: string, options?: ListOptions): Promise<{ members: Meta[]; next: string | null }> {
    const given = optionsFor.list(options);
    const reply = await this.#transport.request(opList(path, given), given);
    const { members, next } = readPage(new ByteReader(reply));
    return { members: metas(normal(path), members), next: next ?? null };
  }

  /**
   * Runs a method on the node and gives what it returns. On a directory it runs on each member that is an object, and
   * gives a `Map` from name to result; the first error of a member is thrown ({@link callEach} gives all).
   */
  async call(path: string | Ref, method: string, ...args: unknown[]): Promise<unknown> {
    try {
      return (await this.invoke(path, method, args)).result;
    } catch (error) {
      if (!(error instanceof EmergeError) || error.code !== "is_a_directory") throw error;
    }
    const results = new Map<string, unknown>();
    for await (const member of this.callEach(path, method, args)) {
      if (member.error) throw member.error;
      results.set(member.name, member.result);
    }
    return results;
  }

  /** Runs a method of one object on the node, with all that can be said and asked of a call. */
  async invoke(path: string | Ref, method: string, args: readonly unknown[] = [], options?: InvokeOptions): Promise<Called> {
    const given = optionsFor.invoke(options);
    const op = await this.#callOp(pathOf(path), method, args, given);
    const called = readCalled(new ByteReader(await this.#transport.request(op, given)));
    return { result: await this.#value(called.result), version: called.version ?? null, log: called.log ?? null };
  }

  /**
   * Runs a method on each member of a directory that is an object, or on each of several objects: paths, references, properties as a listing has them, or
   * objects, also as a search gives them. Each call is a transaction of its own, and a failure is an item with an `error`; with `atomic` all of them are one.
   */
  callEach(at: Several, method: string, args: readonly unknown[] = [], options?: CallEachOptions): Stream<MemberResult> {
    const given = optionsFor.callEach(options);
    const path = typeof at === "string" || at instanceof Ref ? pathOf(at) : undefined;
    let total = 0;
    const opening = async (): Promise<Uint8Array> => {
      const paths = path === undefined ? await pathsOf(at as Exclude<Several, string | Ref>) : undefined;
      total = paths ? new Set(paths).size : 0;
      return this.#callOp(path ?? "/", method, args, given, { atomic: given.atomic, paths });
    };
    return this.#each(path, opening(), given, () => total);
  }

  /** The outcomes of members, one after the other. */
  #each(
    directory: string | undefined,
    opening: Promise<Uint8Array>,
    options: Options & Pick<CallEachOptions, "onProgress">,
    total: () => number,
  ): Stream<MemberResult> {
    const transport = this.#transport;
    let [done, failed] = [0, 0];
    const items = {
      async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
        yield* transport.stream(await opening, options);
      },
    };
    opening.catch(() => undefined);
    return Stream.map(items, async (item) => {
      const { name, called, error } = readMember(new ByteReader(item));
      const path = directory === undefined ? name : joinPath(normal(directory), name);
      done += 1;
      if (!called) failed += 1;
      options.onProgress?.({ done, failed, total: total(), path });
      if (!called) return { name, path, error };
      return { name, path, result: await this.#value(called.result), version: called.version ?? null };
    });
  }

  /**
   * Runs a query object's own `query(fs)` on the node, with the rights of who asks, and gives what it gave, which the object keeps as `results`, with
   * `results_at` and `results_by`: read it later by `await fs.get("/queries/q1#results")`. Objects are kept as references; {@link children} fetches them.
   */
  async query(path: string | Ref, options?: Options): Promise<unknown> {
    const reply = await this.#transport.request(opQuery(pathOf(path), this.trust.hashes), optionsFor.any(options));
    return this.#value(readCalled(new ByteReader(reply)).result);
  }

  /**
   * Mixes two objects: a new object at `to` with the fields of both, of a new class with the methods of both. Of what both have, that of the first counts.
   * `class_invalid` when there can be no such class.
   */
  async mixin(first: string | Ref, second: string | Ref, to: string, options?: Options & { name?: string | undefined }): Promise<Mixed> {
    const given = optionsFor.mixin(options);
    const op = opMixin(pathOf(first), pathOf(second), to, given.name);
    const mixed = readMixed(new ByteReader(await this.#transport.request(op, given)));
    return {
      version: mixed.version,
      class: { ...mixed.class, hash: hex(mixed.class.hash) },
      clashes: mixed.clashes.map(({ name, isMethod, kept, hidden }) => ({ name, kind: isMethod ? "method" : "field", kept, hidden })),
    };
  }

  /**
   * Gives an object another class version, and its fields what that declares: new ones have their defaults, or are what `how` gives for the old fields. Gives
   * the object's new version; `null` when it had that class version already.
   */
  async migrate(path: string | Ref, cls: EmergeClass, how?: How, options?: Options): Promise<number | null> {
    const given = optionsFor.any(options);
    const op = await this.#migrateOp(pathOf(path), cls, how, undefined, given);
    return readCalled(new ByteReader(await this.#transport.request(op, given))).version ?? null;
  }

  /** Migrates each member of a directory that has another version of the class, or with `from` each of the class of that name; see {@link migrate}. */
  migrateEach(
    path: string,
    cls: EmergeClass,
    how?: How,
    options?: Options & Pick<CallEachOptions, "onProgress"> & { from?: string | undefined },
  ): Stream<MemberResult> {
    const given = optionsFor.migrateEach(options);
    return this.#each(path, this.#migrateOp(path, cls, how, given.from, given), given, () => 0);
  }

  async #migrateOp(path: string, cls: EmergeClass, how: How | undefined, from: string | undefined, options: Options): Promise<Uint8Array> {
    check(CLASS, cls, "class");
    const record = recordOf(cls);
    const op = opMigrate(path, record.hash, typeof how === "function" ? sourceOf(how, "how") : how, from);
    await this.#known.send(this.#transport, [record], options);
    return op;
  }

  /** Stands for an object on the node: `await fs.proxy("/inventory/widget1").totalCost()` runs there. */
  proxy<T extends EmergeObject = AnyObject>(at: string | Ref): Remote<T> {
    const path = pathOf(at);
    return proxyOf(path, (method, args) => this.invoke(path, method, args).then((called) => called.result)) as Remote<T>;
  }

  /**
   * Finds objects: those of which `wanted` says so. It is a plain function of an object (its fields, and `meta`) and of `params`; it runs on
   * the node, so that it sees nothing of what surrounds it here. Every object is wanted without one.
   *
   * `for await (const item of fs.search((o, p) => o.unitPrice < p.max, { max: 3 }))`
   */
  search<T extends EmergeObject = AnyObject, P extends object = Record<string, unknown>>(
    // A function of an object whose class is not known here may ask for any field.
    // eslint-disable-next-line @typescript-eslint/no-explicit-any
    wanted?: ((object: any, params: P) => unknown) | string | null,
    params?: P | null,
    options?: SearchOptions,
  ): Search<Stored<T>> {
    return new Search<Stored<T>>(this.#transport, wanted, params, options, (match) => this.#matched(match) as Promise<Stored<T>>);
  }

  /**
   * Finds objects whose texts hold all of some words: `red widget`, `wid*` for all that begin so, `"red widget"` for words that follow one
   * another; case and accents make no difference. Those that fit best come first, each with where the words are. `wanted` may ask more.
   *
   * `for await (const { object, highlights } of fs.searchText("red wid*", { directory: "/data" }))`
   */
  searchText<T extends EmergeObject = AnyObject, P extends object = Record<string, unknown>>(
    text: string,
    // As in `search`.
    // eslint-disable-next-line @typescript-eslint/no-explicit-any
    options: Omit<SearchOptions, "text"> & { wanted?: ((object: any, params: P) => unknown) | string | null; params?: P | null } = {},
  ): Search<TextMatch<Stored<T>>> {
    check(TEXT, text, "text");
    const { wanted, params, ...rest } = searchOptions(options) as typeof options;
    return new Search<TextMatch<Stored<T>>>(this.#transport, wanted, params, { ...rest, text }, async (match) => {
      const object = (await this.#matched(match)) as Stored<T>;
      return { object, score: scoreOf(match.score), highlights: match.highlights };
    });
  }

  /**
   * Makes an index by a class (one of the user's own: it, or its name; any by its id; `*` for all) and a field, by which searches find
   * objects. It is built in the background, and used when it is ready. With `unique` no two objects may have the same value from then on:
   * to make one is `not_unique`. One that is there already stays.
   */
  async createIndex(cls: EmergeClass | string, field: string, options?: Options & { unique?: boolean | undefined }): Promise<IndexInfo> {
    const given = optionsFor.createIndex(options);
    const op = opCreateIndex(nameOf(cls), field, given.unique);
    return indexInfo(readIndex(new ByteReader(await this.#transport.request(op, given))));
  }

  /** Drops an index; gives whether there was one. */
  async dropIndex(cls: EmergeClass | string, field: string, options?: Options): Promise<boolean> {
    const op = opDropIndex(nameOf(cls), field);
    return new ByteReader(await this.#transport.request(op, optionsFor.any(options))).bool();
  }

  /** All indexes. */
  async indexes(options?: Options): Promise<IndexInfo[]> {
    return readIndexes(new ByteReader(await this.#transport.request(opIndexes(), optionsFor.any(options)))).map(indexInfo);
  }

  async #matched({ path, stat, state }: RawMatch): Promise<EmergeObject> {
    const cls = await this.#resolve(stat.classHash ?? new Uint8Array(16), stat.class);
    return this.#instance(cls, { path, version: stat.version, state, historic: false, stat });
  }

  /** Makes a directory and those above it. */
  async mkdir(path: string, options?: Options & { existOk?: boolean | undefined }): Promise<void> {
    const given = optionsFor.mkdir(options);
    await this.#transport.request(opMkdir(path, given.existOk), given);
  }

  /** Removes an object or an empty directory; with `recursive` a directory and all in it. */
  async rm(path: string, options?: Options & { recursive?: boolean | undefined }): Promise<void> {
    const given = optionsFor.recursive(options);
    await this.#transport.request(opRm(path, given.recursive), given);
  }

  /** Moves or renames; identities stay. Onto a directory: into it. */
  async mv(from: string, to: string, options?: Options): Promise<void> {
    await this.#transport.request(opMv(from, to), optionsFor.any(options));
  }

  /**
   * Copies; with `recursive` a directory and all in it. Onto a directory: into it. A tree of at most 10,000 objects and directories is one
   * commit; a larger one is copied part by part, `onProgress` is told after each, and an error says what was copied before it. When
   * `onProgress` throws, or `signal` is aborted, it stops after some four parts more, of 1,000 each.
   */
  async cp(
    from: string,
    to: string,
    options?: Options & { recursive?: boolean | undefined; onProgress?: ((progress: CopyProgress) => void) | undefined },
  ): Promise<void> {
    const given = optionsFor.cp(options);
    if (given.recursive === true) await copyTree(this.#transport, from, to, given);
    else await this.#transport.request(opCp(from, to), given);
  }

  /** The newest versions of an object or a directory, newest first, at most 1000 at a time; `before` goes on below a number. */
  async history(
    path: string,
    options?: Options & { before?: number | undefined; limit?: number | undefined },
  ): Promise<VersionInfo[]> {
    const given = optionsFor.history(options);
    return historyOf(await this.#transport.request(opHistory(path, given.before, given.limit), given));
  }

  /** Removes as {@link rm} does, and forgets all versions at once. */
  async purge(path: string, options?: Options & { recursive?: boolean | undefined }): Promise<void> {
    const given = optionsFor.recursive(options);
    await this.#transport.request(opPurge(path, given.recursive), given);
  }

  /**
   * Sets rules for all that lies below a directory, up to one with rules of its own: which versions are kept (`"all"`, `"10 versions"`,
   * `"30 days"`, `"default"`), and the permissions that new members do not get (`0o027`). `"inherit"` is what holds above; what is left
   * out stays. Gives the number of the directory's version that it made.
   */
  async setRules(
    path: string,
    rules: { keep?: string | undefined; mask?: string | number | undefined },
    options?: Options,
  ): Promise<number> {
    check(RECORD, rules, "rules");
    const op = opSetRules(path, rules.keep, rules.mask);
    return readStored(new ByteReader(await this.#transport.request(op, optionsFor.any(options)))).version;
  }

  /**
   * What differs between two versions of an object, each named by its number or by a moment at which it was current; the second is the
   * current one when it is left out. `not_found` when a version is not kept.
   */
  async diff(path: string, from: Which, to?: Which, options?: Options): Promise<Diff> {
    return diffOf(await this.#transport.request(opDiff(path, from, to), optionsFor.any(options)));
  }

  /**
   * Makes a version of an object with the state and the class of an earlier one, and gives its number. With `base` it is a `conflict`
   * when the object is at another version; `not_found` when the earlier one is not kept.
   */
  async restore(path: string, version: Which, options?: Options & { base?: number | undefined }): Promise<number> {
    const given = optionsFor.set(options);
    const op = opRestore(path, version, given.base);
    return readStored(new ByteReader(await this.#transport.request(op, given))).version;
  }

  /**
   * Changes permissions, which only the owner and the administrator may: to `"rwxr-x---"` or `0o750`, or by changes, `"u+x,g-w"`. With
   * `recursive` all below a directory changes too, in the same commit. Gives the number of the version that it made.
   */
  async chmod(
    path: string,
    perms: string | number,
    options?: Options & { recursive?: boolean | undefined },
  ): Promise<number> {
    const given = optionsFor.recursive(options);
    const op = opChmod(path, perms, given.recursive);
    return readStored(new ByteReader(await this.#transport.request(op, given))).version;
  }

  /**
   * Gives to another owner, which only the administrator may, or to another group, which the owner may too when in it. With `recursive`
   * all below a directory too, in the same commit. Gives the number of the version that it made.
   */
  async chown(
    path: string,
    to: { owner?: string | undefined; group?: string | undefined },
    options?: Options & { recursive?: boolean | undefined },
  ): Promise<number> {
    const given = optionsFor.recursive(options);
    check(RECORD, to, "to");
    const op = opChown(path, to.owner, to.group, given.recursive);
    return readStored(new ByteReader(await this.#transport.request(op, given))).version;
  }

  /**
   * Changes of what matches a pattern, in the order of their commits: `for await (const change of fs.watch("/inventory/**"))`. It sees what is
   * committed after this call, goes on by itself after a cut, and ends when the loop is left; an abort by `signal` is `cancelled`, as of any
   * stream.
   */
  watch(pattern: string, options?: WatchOptions): Stream<Change> {
    return watch(this.#transport, pattern, options);
  }

  /** The class of an object, with its fields, methods, docs and source. */
  async describe(path: string, options?: Options): Promise<Description> {
    return describe(readLineage(new ByteReader(await this.#transport.request(opClassOf(path), optionsFor.any(options)))));
  }

  /** An object's methods, own and inherited. */
  async methods(path: string, options?: Options): Promise<readonly MethodInfo[]> {
    return (await this.describe(path, options)).methods;
  }

  /** The class of an object in WebAssembly, made of the node's module: its methods run here, and objects that are fetched become its instances. */
  async wasmClass(path: string, options?: Options): Promise<EmergeClass> {
    const lineage = readLineage(new ByteReader(await this.#transport.request(opClassOf(path), optionsFor.any(options))));
    const source = lineage[0]?.source;
    if (!source?.module) throw errorOf("unsupported", `the class ${source?.name ?? ""} of ${path} is not in WebAssembly`, { path });
    const cls = await wasmClass(source.module.slice());
    this.define(cls);
    return cls;
  }

  /** The source of an object's class. */
  async code(path: string, options?: Options): Promise<string> {
    return (await this.describe(path, options)).source;
  }

  /** What an object's class says of itself, for people. */
  async help(path: string, options?: Options): Promise<string> {
    return helpText(await this.describe(path, options));
  }

  /** The class that objects of a version are instances of here: this program's own, or a stand-in made from the record. */
  async #resolve(hash: Uint8Array, name: string | undefined): Promise<EmergeClass> {
    const key = hex(hash);
    let cls = this.#known.resolved.get(key) ?? (name === undefined ? undefined : this.#known.own(name, undefined));
    if (!cls) {
      const lineage = readLineage(new ByteReader(await this.#transport.request(opClassByHash(hash))));
      const source = lineage[0]?.source;
      cls = (source && this.#known.own(source.name, source.language)) ?? this.#transport.meet?.(lineage) ?? standIn(lineage);
    }
    this.#known.resolved.set(key, cls);
    return cls;
  }

  #fetched(path: string, reply: Uint8Array, historic: boolean): EmergeObject | Promise<EmergeObject> {
    // [[name, id, kind, class, hash, …], state]: only what is needed is read; the rest when `meta` is asked for.
    const reader = new ByteReader(reply);
    reader.array();
    const at = reader.position;
    const count = reader.array();
    reader.skip(3);
    const nameAt = reader.position;
    reader.skip();
    const hashAt = reader.position;
    if (reader.takeNull()) return this.#told(path, reply);
    const last = this.#known.last && reader.takeBytes(this.#known.last.hash) ? this.#known.last.cls : undefined;
    reader.skip(last ? 4 : 5);
    const version = reader.uint();
    reader.skip(count - 10);
    const state = reader.bytes();
    const head = { path: normal(path), version, state, historic, stat: () => readStat(new ByteReader(reply, at)) };
    if (last) return this.#instance(last, head);
    const hash = new ByteReader(reply, hashAt).bytes();
    const className = new ByteReader(reply, nameAt);
    const name = className.takeNull() ? undefined : className.text();
    return this.#resolve(hash, name).then((cls) => {
      this.#known.last = { hash: hash.slice(), cls };
      return this.#instance(cls, head);
    });
  }

  /** What has no class: a directory, or what the node itself tells. */
  #told(path: string, reply: Uint8Array): EmergeObject {
    const { state, members } = readFetched(new ByteReader(reply));
    const reader = new ByteReader(reply);
    reader.array();
    const stat = readStat(reader);
    const at = stat.path ?? path;
    const object = members
      ? directoryOf({
          first: metas(at, members.members),
          next: members.next ?? null,
          rest: (after) => this.list(at, { after }),
        })
      : bare(Told);
    // Historic: it is not stored as it is.
    setHead(object, { path: normal(path), version: stat.version, state, historic: true, stat });
    decodeState(object, state, () => undefined, []);
    return object;
  }

  #instance(cls: EmergeClass, head: Head): EmergeObject | Promise<EmergeObject> {
    const object = bare(cls);
    setHead(object, head);
    const unknown: Uint8Array[] = [];
    decodeState(object, head.state, (hash) => this.#known.resolved.get(hex(hash)), unknown);
    if (unknown.length === 0) return object;
    // An embedded object's class is not known yet: get it, and read again.
    return Promise.all(unknown.map((hash) => this.#resolve(hash, undefined))).then(() => this.#instance(cls, head));
  }

  async #value(encoded: Uint8Array): Promise<unknown> {
    for (;;) {
      const unknown: Uint8Array[] = [];
      const value = decodeValue(encoded, (hash) => this.#known.resolved.get(hex(hash)), unknown);
      if (unknown.length === 0) return value;
      await Promise.all(unknown.map((hash) => this.#resolve(hash, undefined)));
    }
  }

  async #callOp(
    path: string,
    method: string,
    args: readonly unknown[],
    { kwargs, deadline, log, ...options }: InvokeOptions,
    several: { atomic?: boolean | undefined; paths?: readonly string[] | undefined } = {},
  ): Promise<Uint8Array> {
    check(LIST, args, "args");
    const used = new Set<ClassRecord>();
    const encoded = encodeArgs(args, used);
    const named = kwargs === undefined ? undefined : encodeField("map", kwargs, "kwargs", used);
    const trusted = this.trust.hashes;
    const plain = (named ?? deadline ?? several.paths ?? trusted) === undefined && several.atomic !== true;
    const op = opCall(path, method, encoded, log, plain ? undefined : { kwargs: named, deadline, ...several, trusted });
    if (used.size > 0) await this.#known.send(this.#transport, used, options);
    return op;
  }
}

/** Pages of a listing that may wait to be read: some megabytes. To ask for more of them costs a message each time, for which the browser leaves what it does. */
const PAGES = 32;

function statOf(head: Head): RawKnown {
  if (typeof head.stat === "function") head.stat = head.stat();
  return head.stat;
}

/** A path without its one allowed trailing slash. */
function normal(path: string): string {
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}
