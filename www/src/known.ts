import { type ClassRecord, recordOf, registeredName } from "./class.js";
import { checkAborted } from "./error.js";
import type { EmergeClass } from "./object.js";
import type { Options, Transport } from "./results.js";
import { opPutClass } from "./wire.js";

/** What a client knows of classes: one file system and the transactions that it has begun share it. */
export class Known {
  /** Classes that the node has, or is getting: one request for each version. */
  readonly #sent = new Map<string, Promise<void>>();
  /** The user's own classes, by registered name. */
  readonly #own = new Map<string, EmergeClass>();
  /** Those of which the user said that objects become their instances, whatever language these come from. */
  readonly #said = new Set<EmergeClass>();
  /** The class that objects of a class version become, by its address. */
  readonly resolved = new Map<string, EmergeClass>();
  /** The class of the object fetched last, which is most often that of the next one too. */
  last: { readonly hash: Uint8Array; readonly cls: EmergeClass } | undefined;

  /** Makes objects of a class become its instances, as the user says. */
  define(cls: EmergeClass): void {
    this.#said.add(cls);
    this.#take(cls);
  }

  #take(cls: EmergeClass): void {
    this.#own.set(registeredName(cls), cls);
    this.resolved.clear();
    this.last = undefined;
  }

  /**
   * The user's own class for objects of a version that has a name and is in a language. By its name alone a class of another language would run
   * other methods here than at the node, so that one which was only stored is not it; nor is it while the language is not known.
   */
  own(name: string, language: number | undefined): EmergeClass | undefined {
    const cls = this.#own.get(name);
    return cls && (this.#said.has(cls) || recordOf(cls).language === language) ? cls : undefined;
  }

  /** Sees to it that the node has these classes, and that their objects become instances of them when they come back. */
  async send(transport: Transport, used: Iterable<ClassRecord>, options: Options): Promise<void> {
    for (const record of used) this.#remember(record);
    for (const record of used) {
      await this.#sending(transport, record);
      checkAborted(options.signal);
    }
  }

  /** A stand-in's objects stay as they are. */
  #remember(record: ClassRecord): void {
    if (record.encoded === undefined) return;
    if (this.#own.get(record.name) !== record.cls) this.#take(record.cls);
    this.resolved.set(record.key, record.cls);
  }

  #sending(transport: Transport, record: ClassRecord): Promise<void> {
    let sending = this.#sent.get(record.key);
    if (!sending) {
      sending = this.#put(transport, record);
      this.#sent.set(record.key, sending);
      // One that failed may be tried again.
      sending.catch(() => this.#sent.delete(record.key));
    }
    return sending;
  }

  async #put(transport: Transport, { bases, encoded }: ClassRecord): Promise<void> {
    for (const base of bases) await this.#sending(transport, base);
    if (encoded) await transport.request(opPutClass(encoded));
  }
}
