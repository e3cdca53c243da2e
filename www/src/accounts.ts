// Users and groups, which only the administrator may see and change.

import { TEXTS } from "./arguments.js";
import { ByteReader } from "./bytes.js";
import { errorOf } from "./error.js";
import type { Options, Transport } from "./results.js";
import { GroupAction, OP, UserAction } from "./generated.js";
import { BYTES, NUMBER, operation, optional, text, texts } from "./operation.js";
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

const addUserOptions = optionsOf<Options & { groups?: readonly string[] | undefined }>({ groups: TEXTS });

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
    const token = newToken();
    const hash = sha256(new TextEncoder().encode(token));
    await this.#transport.request(opUsers(action, name, hash, groups), optionsFor.any(options));
    return token;
  }
}
