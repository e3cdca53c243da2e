import { AT_MOST, check, FUNCTION, TEXT, WHOLE } from "./arguments.js";
import { ByteReader } from "./bytes.js";
import { EmergeError, errorOf } from "./error.js";
import { FileSystem } from "./filesystem.js";
import type { Kept, Options, StoreOptions, Transport } from "./results.js";
import { EmergeObject, type Head, headOf, setHead } from "./object.js";
import { optionsFor, optionsOf } from "./options.js";
import { uuidText } from "./sha256.js";
import {
  isPutClass, opBegin, opEnd, opIn, opTransactions, type RawTransaction, readEnded, readTransaction, readTransactions,
} from "./wire-transaction.js";

/** How to open a transaction. */
export interface BeginOptions extends Options {
  /** A name by which the user's other clients find it; a transaction without one is rolled back when this client closes. */
  readonly name?: string | undefined;
  /** Milliseconds after which the node rolls it back; a minute if not given, an hour at most. */
  readonly lifetime?: number | undefined;
}

/** How to run a transaction. */
export interface TransactionOptions extends BeginOptions {
  /** Times that the block is run again after a conflict, at most; 9 if not given. */
  readonly retries?: number | undefined;
}

const beginOptions = optionsOf<BeginOptions>({ name: TEXT, lifetime: WHOLE });
const transactionOptions = optionsOf<TransactionOptions>({ name: TEXT, lifetime: WHOLE, retries: AT_MOST });

/** An open transaction, as the node tells of it. */
export interface TransactionInfo {
  readonly id: string;
  readonly name: string | null;
  readonly began: Date;
  readonly expires: Date;
  /** Operations that have been done in it. */
  readonly operations: number;
  /** Bytes of memory that it holds. */
  readonly bytes: number;
}

/** Longest wait after the first conflict in milliseconds; it doubles from one to the next. */
const FIRST_WAIT = 10, DOUBLINGS = 7, RETRIES = 9;

function date(micros: number): Date {
  return new Date(Math.floor(micros / 1000));
}

function infoOf({ id, name, began, expires, operations, bytes }: RawTransaction): TransactionInfo {
  return { id: uuidText(id), name: name ?? null, began: date(began), expires: date(expires), operations, bytes };
}

/** The way of a transaction's requests. */
class Within implements Transport {
  readonly #outside: Transport;
  readonly #tx: string;
  /** Requests without a reply. */
  readonly #pending = new Set<Promise<unknown>>();

  constructor(outside: Transport, tx: string) {
    this.#outside = outside;
    this.#tx = tx;
  }

  request(op: Uint8Array, options?: Options): Promise<Uint8Array> {
    if (isPutClass(op)) return this.#outside.request(op, options);
    const reply = this.#outside.request(opIn(this.#tx, op), options);
    this.#pending.add(reply);
    const over = (): unknown => this.#pending.delete(reply);
    reply.then(over, over);
    return reply;
  }

  stream(op: Uint8Array, options?: Options, credit?: number): AsyncIterable<Uint8Array> {
    return this.#outside.stream(opIn(this.#tx, op), options, credit);
  }

  /** Waits for what the program did not wait for; the first that fails is thrown. */
  async settled(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }
}

/**
 * An open transaction: a file system whose operations are done one after the other, see what those before them have done, and are seen by
 * nobody else before it is committed. Objects that were stored in it are as before when it is rolled back.
 */
export class Transaction extends FileSystem implements AsyncDisposable {
  readonly #outside: Transport;
  readonly #within: Within;
  /** What objects that were stored in it remembered before, and since. */
  readonly #heads = new Map<EmergeObject, { readonly before: Head | undefined; since: Head | undefined }>();
  #over = false;
  #expired: string | undefined;
  /** Its identity. */
  readonly id: string;
  /** The name by which the user's other clients find it. */
  readonly name: string | null;
  /** When the node rolls it back. */
  readonly expires: Date;

  private constructor(outside: Transport, within: Within, parent: FileSystem, info: TransactionInfo) {
    super(within, parent);
    this.#outside = outside;
    this.#within = within;
    this.id = info.id;
    this.name = info.name;
    this.expires = info.expires;
  }

  /** @internal */
  static of(outside: Transport, parent: FileSystem, raw: RawTransaction): Transaction {
    const info = infoOf(raw);
    return new Transaction(outside, new Within(outside, info.id), parent, info);
  }

  override async store<T extends EmergeObject>(path: string, object: T, options?: StoreOptions): Promise<Kept<T>> {
    // What is no object is told so by the store.
    const before = (object as unknown) instanceof EmergeObject ? headOf(object) : undefined;
    const stored = await super.store(path, object, options);
    const known = this.#heads.get(object);
    if (known) known.since = headOf(object);
    else this.#heads.set(object, { before, since: headOf(object) });
    return stored;
  }

  /** False once it has been committed or rolled back here. */
  get isOpen(): boolean {
    return !this.#over;
  }

  /**
   * Commits all that was done in it, also what the program has not waited for, and gives the time that it has. `conflict` when something
   * that it read has changed since, with the path where it may be told: then nothing of it has happened.
   */
  async commit(options?: Options): Promise<Date> {
    const given = optionsFor.any(options);
    try {
      await this.#within.settled();
    } catch (error) {
      await this.rollback(given);
      throw error;
    }
    const committed = await this.#end(true, given);
    for (const [object, { since }] of this.#heads) {
      if (since === undefined || headOf(object) !== since) continue;
      const stat = typeof since.stat === "function" ? since.stat() : since.stat;
      since.stat = { ...stat, created: since.version === 1 ? committed : stat.created, modified: committed };
      setHead(object, since);
    }
    return date(committed);
  }

  /** Takes back all that was done in it. */
  async rollback(options?: Options): Promise<void> {
    await this.#end(false, optionsFor.any(options));
  }

  async #end(commit: boolean, options: Options): Promise<number> {
    if (this.#over) {
      const why = this.#expired ?? `the transaction ${this.name ?? this.id} was committed or rolled back already`;
      throw errorOf("transaction_expired", why, { field: this.name ?? this.id });
    }
    this.#over = true;
    let committed: number | undefined;
    try {
      committed = readEnded(new ByteReader(await this.#outside.request(opEnd(this.id, commit), options)));
    } catch (error) {
      if (error instanceof EmergeError && error.code === "transaction_expired") this.#expired = error.message;
      throw error;
    } finally {
      if (committed === undefined) {
        for (const [object, { before, since }] of this.#heads) if (headOf(object) === since) setHead(object, before);
      }
    }
    return committed ?? 0;
  }

  /** Rolls back what was neither committed nor rolled back; one with a name stays open. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#over && this.name === null) await this.rollback();
  }
}

/** The transactions of a connection. */
export class Transactions {
  readonly #transport: Transport;
  readonly #parent: FileSystem;

  constructor(transport: Transport, parent: FileSystem) {
    this.#transport = transport;
    this.#parent = parent;
  }

  async begin(options?: BeginOptions): Promise<Transaction> {
    const given = beginOptions(options);
    const reply = await this.#transport.request(opBegin(given.name, given.lifetime), given);
    return Transaction.of(this.#transport, this.#parent, readTransaction(new ByteReader(reply)));
  }

  async #open(tx?: string, options?: Options): Promise<RawTransaction[]> {
    return readTransactions(new ByteReader(await this.#transport.request(opTransactions(tx), optionsFor.any(options))));
  }

  async find(tx: string, options?: Options): Promise<Transaction> {
    check(TEXT, tx, "transaction");
    const [found] = await this.#open(tx, options);
    if (!found) throw errorOf("not_found", `there is no open transaction ${JSON.stringify(tx)}`, { field: tx });
    return Transaction.of(this.#transport, this.#parent, found);
  }

  async list(options?: Options): Promise<TransactionInfo[]> {
    return (await this.#open(undefined, options)).map(infoOf);
  }

  async run<R>(body: (tx: Transaction) => R | Promise<R>, options?: TransactionOptions): Promise<R> {
    const given = transactionOptions(options);
    check(FUNCTION, body, "block");
    const retries = given.retries ?? RETRIES;
    for (let attempt = 0; ; attempt += 1) {
      const tx = await this.begin(given);
      try {
        const value = await body(tx);
        if (tx.isOpen) await tx.commit(given);
        return value;
      } catch (error) {
        // When this fails too the node has let go of it, or soon will.
        if (tx.isOpen) await tx.rollback().catch(() => undefined);
        if (!(error instanceof EmergeError) || error.code !== "conflict" || attempt >= retries) throw error;
        // Between half of the longest wait and all of it, so that those who collided do not meet again.
        const longest = FIRST_WAIT * 2 ** Math.min(attempt, DOUBLINGS);
        await new Promise((resolve) => setTimeout(resolve, longest * (0.5 + Math.random() / 2)));
      }
    }
  }
}
