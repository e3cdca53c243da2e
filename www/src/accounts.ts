// Users and groups, which only the administrator may see and change, and tokens, which are their users' too.

import { check, MOMENT, TEXT, TEXTS, WHOLE } from "./arguments.js";
import { ByteReader } from "./bytes.js";
import { errorOf } from "./error.js";
import type { Options, Transport } from "./results.js";
import { GroupAction, OP, TokenAction, UserAction } from "./generated.js";
import { BYTES, members, NUMBER, operation, optional, text, texts, whole } from "./operation.js";
import { optionsFor, optionsOf } from "./options.js";
import { hex, sha256 } from "./sha256.js";
import { record } from "./wire.js";

/** A user that the node knows. */
export interface UserInfo {
  readonly name: string;
  /** The groups that the user is in; what the user makes belongs to the first. */
  readonly groups: readonly string[];
  readonly created: Date;
}

/** A group that the node knows. */
export interface GroupInfo {
  readonly name: string;
  /** Who is in it, by name. */
  readonly members: readonly string[];
}

/** A token that the node knows. What it is, is kept nowhere. */
export interface TokenInfo {
  /** By which it is taken back. */
  readonly id: string;
  /** Whom it stands for. */
  readonly user: string;
  /** What it is for: `read:/inventory/**`; `*` is everything that the user may. */
  readonly scope: readonly string[];
  readonly created: Date;
  /** When it ends; `null` when it does not. */
  readonly expires: Date | null;
  /** What it was made for. */
  readonly note: string | null;
  /** The id of the token with which it was made, and with which it goes. */
  readonly parent: string | null;
}

/** What a user stores, and may store. */
export interface QuotaInfo {
  readonly user: string;
  /** Objects and directories that the user owns. */
  readonly objects: number;
  /** Bytes of their states, of the earlier versions that are kept, and of classes. */
  readonly bytes: number;
  /** How many objects and directories there may be; `null` for any number. */
  readonly maxObjects: number | null;
  /** How many bytes there may be; `null` for any number. */
  readonly maxBytes: number | null;
}

/** What a user may store; what is left out has no limit. */
export interface QuotaOptions extends Options {
  readonly objects?: number | undefined;
  readonly bytes?: number | undefined;
}

/** What a token is to be. */
export interface TokenOptions extends Options {
  /** For whom, which the administrator may say; the caller when left out. */
  readonly user?: string | undefined;
  /**
   * What it is for: `VERB:/path` or `VERB:/path/**`, where VERB is `read`, `write`, `call`, `rights` or `*`; or `*` for everything. As much as
   * the token in use when left out.
   */
  readonly scope?: readonly string[] | undefined;
  /** When it ends. */
  readonly expires?: Date | undefined;
  /** What it is made for, for people. */
  readonly note?: string | undefined;
}

type NewToken = [hash: Uint8Array, scope: readonly string[] | undefined, expires: number | undefined, note: string | undefined];

const opTokens: (action: TokenAction, user?: string, id?: string, token?: NewToken) => Uint8Array = operation(
  OP.tokens, NUMBER, optional(text("user")), optional(text("id")),
  optional(members<NewToken>(BYTES, optional(texts("scope")), optional(NUMBER), optional(text("note")))),
);

const opQuotas: (user?: string, set?: [objects: number | undefined, bytes: number | undefined]) => Uint8Array = operation(
  OP.quotas, optional(text("user")), optional(members<[number | undefined, number | undefined]>(optional(whole("objects")), optional(whole("bytes")))),
);

const opUsers: (action: UserAction, name?: string, tokenHash?: Uint8Array, groups?: readonly string[]) => Uint8Array = operation(
  OP.users, NUMBER, optional(text("name")), optional(BYTES), optional(texts("groups")),
);

const opGroups: (action: GroupAction, name?: string, user?: string) => Uint8Array = operation(
  OP.groups, NUMBER, optional(text("name")), optional(text("user")),
);

function readTexts(reader: ByteReader): string[] {
  const texts = [];
  for (let left = reader.array(); left > 0; left -= 1) texts.push(reader.text());
  return texts;
}

function readUsers(reader: ByteReader): UserInfo[] {
  const users = [];
  for (let left = reader.array(); left > 0; left -= 1) {
    users.push(
      record(reader, (has) => ({
        name: has(0) ? reader.text() : "",
        groups: has(1) ? readTexts(reader) : [],
        created: dateOf(has(2) ? reader.int() : 0),
      })),
    );
  }
  return users;
}

function readGroups(reader: ByteReader): GroupInfo[] {
  const groups = [];
  for (let left = reader.array(); left > 0; left -= 1) {
    groups.push(
      record(reader, (has) => ({
        name: has(0) ? reader.text() : "",
        members: has(1) ? readTexts(reader) : [],
      })),
    );
  }
  return groups;
}

function dateOf(micros: number): Date {
  return new Date(Math.floor(micros / 1000));
}

function readTokens(reader: ByteReader): TokenInfo[] {
  const tokens = [];
  for (let left = reader.array(); left > 0; left -= 1) {
    tokens.push(
      record(reader, (has) => ({
        id: has(0) ? reader.text() : "",
        user: has(1) ? reader.text() : "",
        scope: has(2) ? readTexts(reader) : [],
        created: dateOf(has(3) ? reader.int() : 0),
        expires: has(4) ? dateOf(reader.int()) : null,
        note: has(5) ? reader.text() : null,
        parent: has(6) ? reader.text() : null,
      })),
    );
  }
  return tokens;
}

function readQuotas(reader: ByteReader): QuotaInfo[] {
  const quotas = [];
  for (let left = reader.array(); left > 0; left -= 1) {
    quotas.push(
      record(reader, (has) => ({
        user: has(0) ? reader.text() : "",
        objects: has(1) ? reader.int() : 0,
        bytes: has(2) ? reader.int() : 0,
        maxObjects: has(3) ? reader.int() : null,
        maxBytes: has(4) ? reader.int() : null,
      })),
    );
  }
  return quotas;
}

const quotaOptions = optionsOf<QuotaOptions>({ objects: WHOLE, bytes: WHOLE });
const tokenOptions = optionsOf<TokenOptions>({ user: TEXT, scope: TEXTS, expires: MOMENT, note: TEXT });
const ofUserOptions = optionsOf<Options & { user?: string | undefined }>({ user: TEXT });

const addUserOptions = optionsOf<Options & { groups?: readonly string[] | undefined }>({ groups: TEXTS });

/** A token of 256 random bits, and its hash, which is all that the node is told of it. */
function newToken(): { token: string; hash: Uint8Array } {
  const { crypto } = globalThis as { crypto?: { getRandomValues(bytes: Uint8Array): Uint8Array } };
  if (crypto === undefined) throw errorOf("unsupported", "this program has no secure randomness to make a token of");
  const token = hex(crypto.getRandomValues(new Uint8Array(32)));
  return { token, hash: sha256(new TextEncoder().encode(token)) };
}

/** The users, groups and tokens that a node knows: `fs.accounts`. */
export class Accounts {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** All users. */
  async users(options?: Options): Promise<UserInfo[]> {
    return readUsers(new ByteReader(await this.#transport.request(opUsers(UserAction.list), optionsFor.any(options))));
  }

  /** Makes a user, in some groups. Gives the token, which is kept nowhere. */
  async addUser(name: string, options?: Options & { groups?: readonly string[] | undefined }): Promise<string> {
    const given = addUserOptions(options);
    return this.#withToken(UserAction.add, name, given.groups, given);
  }

  /** Gives a user another token; the present one is not valid any more. */
  async newToken(name: string, options?: Options): Promise<string> {
    return this.#withToken(UserAction.token, name, undefined, options);
  }

  /** Forgets a user, whose token is not valid any more. Their objects stay. */
  async removeUser(name: string, options?: Options): Promise<void> {
    await this.#transport.request(opUsers(UserAction.remove, name), optionsFor.any(options));
  }

  /** The tokens that the caller may see: the caller's own; for the administrator those of all, or of a user. */
  async tokens(options?: Options & { user?: string | undefined }): Promise<TokenInfo[]> {
    const given = ofUserOptions(options);
    return readTokens(new ByteReader(await this.#transport.request(opTokens(TokenAction.list, given.user), given)));
  }

  /**
   * Makes a token; it can neither grant more than the one in use nor end later. Gives the token, which is kept nowhere, and what the node
   * knows of it.
   */
  async createToken(options?: TokenOptions): Promise<{ token: string; info: TokenInfo }> {
    const given = tokenOptions(options);
    const { token, hash } = newToken();
    const expires = given.expires === undefined ? undefined : given.expires.getTime() * 1000;
    const op = opTokens(TokenAction.create, given.user, undefined, [hash, given.scope, expires, given.note]);
    const [info] = readTokens(new ByteReader(await this.#transport.request(op, given)));
    if (info === undefined) throw errorOf("bad_frame", "the node tells of no token that it made");
    return { token, info };
  }

  /** Takes a token back, and those that were made with it; gives what the node knew of them. */
  async revokeToken(id: string, options?: Options & { user?: string | undefined }): Promise<TokenInfo[]> {
    const given = ofUserOptions(options);
    check(TEXT, id, "id");
    return readTokens(new ByteReader(await this.#transport.request(opTokens(TokenAction.revoke, given.user, id), given)));
  }

  /** What users store and may store: the caller, or a user; for the administrator all. */
  async quotas(options?: Options & { user?: string | undefined }): Promise<QuotaInfo[]> {
    const given = ofUserOptions(options);
    return readQuotas(new ByteReader(await this.#transport.request(opQuotas(given.user), given)));
  }

  /** Says what a user may store from now on, which only the administrator may. What is there already stays. */
  async setQuota(user: string, options?: QuotaOptions): Promise<QuotaInfo> {
    const given = quotaOptions(options);
    check(TEXT, user, "user");
    const op = opQuotas(user, [given.objects, given.bytes]);
    const [info] = readQuotas(new ByteReader(await this.#transport.request(op, given)));
    if (info === undefined) throw errorOf("bad_frame", "the node tells of no quota that it set");
    return info;
  }

  /** All groups, with their members. */
  async groups(options?: Options): Promise<GroupInfo[]> {
    return readGroups(new ByteReader(await this.#transport.request(opGroups(GroupAction.list), optionsFor.any(options))));
  }

  /** Makes a group. */
  async addGroup(name: string, options?: Options): Promise<void> {
    await this.#transport.request(opGroups(GroupAction.add, name), optionsFor.any(options));
  }

  /** Forgets a group; nobody is in it any more. */
  async removeGroup(name: string, options?: Options): Promise<void> {
    await this.#transport.request(opGroups(GroupAction.remove, name), optionsFor.any(options));
  }

  /** Takes a user into a group. */
  async join(group: string, user: string, options?: Options): Promise<void> {
    await this.#transport.request(opGroups(GroupAction.join, group, user), optionsFor.any(options));
  }

  /** Lets a user out of a group. */
  async leave(group: string, user: string, options?: Options): Promise<void> {
    await this.#transport.request(opGroups(GroupAction.leave, group, user), optionsFor.any(options));
  }

  async #withToken(action: UserAction, name: string, groups?: readonly string[], options?: Options): Promise<string> {
    const { token, hash } = newToken();
    await this.#transport.request(opUsers(action, name, hash, groups), optionsFor.any(options));
    return token;
  }
}
