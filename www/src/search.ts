import { ByteReader } from "./bytes.js";
import { check, CLASS_OR_NAME, FLAG, FUNCTION, type Kind, RECORD, TEXT, TEXTS, WHOLE, wrong } from "./arguments.js";
import { nameOf } from "./class.js";
import { type EmergeError, errorOf } from "./error.js";
import { sourceOf } from "./function.js";
import { AggregateKind } from "./generated.js";
import type { EmergeClass } from "./object.js";
import type { IndexInfo, Options, Transport } from "./results.js";
import { optionsOf } from "./options.js";
import { uuidText } from "./sha256.js";
import { Stream } from "./stream.js";
import { decodeValue, encodeField } from "./values.js";
import { encodeQuery, type Highlight, opExplain, opSearch, type Plan, type RawIndex, type RawMatch, type RawMatches, type RawQuery, readMatches, readPlan } from "./wire-search.js";

/** How to search. */
export interface SearchOptions extends Options {
  /** The directory below which to look; `/` if not given. */
  readonly directory?: string | undefined;
  /** Only objects of this class, or of one that inherits from it: the class, or its name. */
  readonly class?: EmergeClass | string | undefined;
  /** The field that sets the order; that in which the objects were made if not given. */
  readonly order?: string | undefined;
  /** Turns the order round. */
  readonly descending?: boolean | undefined;
  /** How many objects are wanted at most. */
  readonly limit?: number | undefined;
  /** The fields that are wanted; all if not given. */
  readonly fields?: readonly string[] | undefined;
  /** Objects fetched at a time, at most 1000. */
  readonly pageSize?: number | undefined;
  /** Only objects whose texts hold these words; without an order those that fit best come first. See {@link FileSystem.searchText}. */
  readonly text?: string | undefined;
  /** The fields in which the words are looked for; all if not given. */
  readonly textFields?: readonly string[] | undefined;
}

/** Checks how to search. */
export const searchOptions = optionsOf<SearchOptions>({
  directory: TEXT, class: CLASS_OR_NAME as Kind<EmergeClass | string>, order: TEXT, descending: FLAG, limit: WHOLE, fields: TEXTS,
  pageSize: WHOLE, text: TEXT, textFields: TEXTS,
});

/** An object that a search for text found. */
export interface TextMatch<T> {
  readonly object: T;
  /** How well it fits. Only scores of one search can be compared. */
  readonly score: number;
  /** Where the words are. */
  readonly highlights: readonly Highlight[];
}

/** An object on which the function failed. */
export interface SearchFailure {
  readonly path: string;
  readonly error: EmergeError;
}

/** What is made of the values of a field in a group: `{ sum: "unitPrice" }`. */
export type Aggregate = { readonly [K in keyof typeof AggregateKind]?: string };

/** Aggregates by their names in a row, which has a `key` and a `count` besides. */
export type Aggregates = Readonly<Record<string, Aggregate>> & { readonly key?: never; readonly count?: never };

/** One group: the value of the field, which is `undefined` for objects that lack it; how many objects; and what was asked of them, by name. */
export type GroupRow<A extends Aggregates = Aggregates> = {
  readonly key: unknown;
  readonly count: number;
} & { readonly [K in keyof A]: unknown };

/**
 * A search: its objects come one after the other (`for await`) or all together ({@link toArray}); or only how many they are ({@link count}),
 * or groups of them ({@link groupBy}). Each of these asks the node anew.
 */
export class Search<T> implements AsyncIterable<T> {
  readonly #transport: Transport;
  readonly #query: RawQuery;
  readonly #options: SearchOptions;
  readonly #read: (match: RawMatch) => Promise<T>;
  #failures: SearchFailure[] = [];
  #moreFailures = 0;

  constructor(
    transport: Transport,
    wanted: ((...args: never[]) => unknown) | string | null | undefined,
    params: object | null | undefined,
    options: SearchOptions | null | undefined,
    read: (match: RawMatch) => Promise<T>,
  ) {
    const given = searchOptions(options);
    const { directory, class: cls, order, descending, limit, fields, pageSize, text, textFields } = given;
    if (params !== undefined && params !== null) check(RECORD, params, "params");
    this.#transport = transport;
    this.#options = given;
    this.#read = read;
    this.#query = {
      source: textOf(wanted),
      params: params ? encodeField("map", params, "params") : undefined,
      directory, order, descending, limit, fields, text, textFields,
      class: cls === undefined ? undefined : nameOf(cls),
      page: pageSize,
    };
  }

  /** Objects on which the function failed, of those that were looked at so far. These are not found. */
  get failures(): readonly SearchFailure[] {
    return this.#failures;
  }

  /** How many failures there are that are not among {@link failures}, of which a page of the node tells 100 at most. */
  get moreFailures(): number {
    return this.#moreFailures;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, undefined, undefined> {
    this.#begin();
    for await (const item of this.#transport.stream(opSearch(encodeQuery(this.#query)), this.#options, PAGES)) {
      for (const match of this.#page(item).items) yield await this.#read(match);
    }
    return undefined;
  }

  /** All of the objects. */
  async toArray(): Promise<T[]> {
    return new Stream(this).toArray();
  }

  /** One page of the objects, and the cursor to go on after; `next` is `null` on the last page. A cursor of another search is a `bad_argument`. */
  async page(after?: string): Promise<{ items: T[]; next: string | null; failures: readonly SearchFailure[] }> {
    const page = this.#page(await this.#ask(this.#query, after));
    const items: T[] = [];
    for (const match of page.items) items.push(await this.#read(match));
    return { items, next: page.next ?? null, failures: page.failures };
  }

  /** How many objects there are; their order, and what is told of each, do not bear on it. */
  async count(): Promise<number> {
    this.#begin();
    const all = { ...this.#query, order: undefined, descending: undefined, limit: undefined, fields: undefined };
    const page = this.#page(await this.#ask({ ...all, count: true }));
    return Math.min(page.count ?? 0, this.#query.limit ?? Infinity);
  }

  /**
   * A row for each value that the objects have in a field, in the order of the values: how many they are, and sums, means and the like.
   *
   * `await fs.search().groupBy("colour", { total: { sum: "unitPrice" } })`
   */
  // Without aggregates a row has the key and the count alone.
  // eslint-disable-next-line @typescript-eslint/no-generated-empty-object-type
  async groupBy<A extends Aggregates = Record<never, Aggregate>>(by: string, aggregates?: A): Promise<GroupRow<A>[]> {
    this.#begin();
    if (aggregates !== undefined && aggregates !== null) check(RECORD, aggregates, "aggregates");
    const names = Object.keys(aggregates ?? {});
    const group = { by, aggregates: names.map((name) => kindAndField(name, aggregates?.[name])) };
    const page = this.#page(await this.#ask({ ...this.#query, group }));
    return page.groups.map(({ key, count, values }) => {
      const all = decodeValue(values) as unknown[];
      const named = Object.fromEntries(names.map((name, at) => [name, all[at] ?? null]));
      return { ...named, key: key === undefined ? undefined : decodeValue(key), count } as unknown as GroupRow<A>;
    });
  }

  /** How the node runs the search. */
  async explain(): Promise<Plan> {
    return readPlan(new ByteReader(await this.#transport.request(opExplain(encodeQuery(this.#query)), this.#options)));
  }

  #begin(): void {
    this.#failures = [];
    this.#moreFailures = 0;
  }

  async #ask(query: RawQuery, after?: string): Promise<Uint8Array> {
    return this.#transport.request(opSearch(encodeQuery(query), after), this.#options);
  }

  #page(item: Uint8Array): RawMatches {
    const page = readMatches(new ByteReader(item));
    this.#failures.push(...page.failures);
    this.#moreFailures += page.moreFailures;
    return page;
  }
}

const bits = new DataView(new ArrayBuffer(4));

/** A score from its bits. */
export function scoreOf(score: number | undefined): number {
  bits.setUint32(0, score ?? 0);
  return bits.getFloat32(0);
}

/** Pages that may wait to be read. */
const PAGES = 4;

function textOf(wanted: unknown): string | undefined {
  if (wanted === null || wanted === undefined || typeof wanted === "string") return wanted ?? undefined;
  if (FUNCTION.fits(wanted)) return sourceOf(wanted, "wanted");
  throw wrong("wanted", "a function, or the text of one", wanted);
}

function kindAndField(name: string, aggregate: unknown): readonly [AggregateKind, string] {
  if (name === "key" || name === "count") {
    throw errorOf("bad_argument", `a row has its own ${name}; give the aggregate another name`, { field: name });
  }
  const [asked, more] = Object.entries(aggregate ?? {}) as [string, unknown][];
  const [kind, field] = asked ?? [];
  if (kind === undefined || more || !Object.hasOwn(AggregateKind, kind) || typeof field !== "string") {
    throw errorOf("bad_argument", `${name}: one of sum, min, max and mean with a field is needed: { sum: "price" }`, { field: name });
  }
  return [AggregateKind[kind as keyof typeof AggregateKind], field];
}

/** An index as it is shown. */
export function indexInfo({ class: name, classId, ...rest }: RawIndex): IndexInfo {
  return { class: name, classId: uuidText(classId), ...rest };
}
