// Users and groups, which only the administrator may see and change.

import { ByteReader } from "./bytes.js";
import { errorOf } from "./error.js";
import type { Options, Transport } from "./results.js";
import { GroupAction, OP, UserAction } from "./generated.js";
import { hex, sha256 } from "./sha256.js";
import { op, optional, out, record, text } from "./wire.js";

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

function opUsers(action: UserAction, name?: string, tokenHash?: Uint8Array, groups?: readonly string[]): Uint8Array {
  op(OP.users, 4);
  out.number(action);
  optional(name, (name) => text(name, "name"));
  optional(tokenHash, (hash) => out.bytes(hash));
  optional(groups, (groups) => out.value(groups));
  return out.take();
}

function opGroups(action: GroupAction, name?: string, user?: string): Uint8Array {
  op(OP.groups, 3);
  out.number(action);
  optional(name, (name) => text(name, "name"));
  optional(user, (user) => text(user, "user"));
  return out.take();
}

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
        created: new Date(Math.floor((has(2) ? reader.int() : 0) / 1000)),
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

/** A token of 256 random bits. The node is told its hash alone. */
function newToken(): string {
  const { crypto } = globalThis as { crypto?: { getRandomValues(bytes: Uint8Array): Uint8Array } };
  if (crypto === undefined) throw errorOf("unsupported", "this program has no secure randomness to make a token of");
  return hex(crypto.getRandomValues(new Uint8Array(32)));
}

/** The users and groups that a node knows: `fs.accounts`. */
export class Accounts {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** All users. */
  async users(options?: Options): Promise<UserInfo[]> {
    return readUsers(new ByteReader(await this.#transport.request(opUsers(UserAction.list), options)));
  }

  /** Makes a user, in some groups. Gives the token, which is kept nowhere. */
  async addUser(name: string, options: Options & { groups?: readonly string[] | undefined } = {}): Promise<string> {
    return this.#withToken(UserAction.add, name, options.groups, options);
  }

  /** Gives a user another token; the present one is not valid any more. */
  async newToken(name: string, options?: Options): Promise<string> {
    return this.#withToken(UserAction.token, name, undefined, options);
  }

  /** Forgets a user, whose token is not valid any more. Their objects stay. */
  async removeUser(name: string, options?: Options): Promise<void> {
    await this.#transport.request(opUsers(UserAction.remove, name), options);
  }

  /** All groups, with their members. */
  async groups(options?: Options): Promise<GroupInfo[]> {
    return readGroups(new ByteReader(await this.#transport.request(opGroups(GroupAction.list), options)));
  }

  /** Makes a group. */
  async addGroup(name: string, options?: Options): Promise<void> {
    await this.#transport.request(opGroups(GroupAction.add, name), options);
  }

  /** Forgets a group; nobody is in it any more. */
  async removeGroup(name: string, options?: Options): Promise<void> {
    await this.#transport.request(opGroups(GroupAction.remove, name), options);
  }

  /** Takes a user into a group. */
  async join(group: string, user: string, options?: Options): Promise<void> {
    await this.#transport.request(opGroups(GroupAction.join, group, user), options);
  }

  /** Lets a user out of a group. */
  async leave(group: string, user: string, options?: Options): Promise<void> {
    await this.#transport.request(opGroups(GroupAction.leave, group, user), options);
  }

  async #withToken(action: UserAction, name: string, groups?: readonly string[], options?: Options): Promise<string> {
    const token = newToken();
    const hash = sha256(new TextEncoder().encode(token));
    await this.#transport.request(opUsers(action, name, hash, groups), options);
    return token;
  }
}
