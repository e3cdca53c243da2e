import { ByteReader } from "./bytes.js";
import type { ClassAt, Diff, VersionInfo } from "./results.js";
import { hex } from "./sha256.js";
import { decodeValue } from "./values.js";
import { type RawClassAt, type RawVersion, readDiff, readHistory } from "./wire.js";

function versionInfo({ version, modified, author, method, size, restored, operation }: RawVersion): VersionInfo {
  return {
    version, modified: new Date(Math.floor(modified / 1000)), author, method: method ?? null, size, restored: restored ?? null,
    operation: operation ?? null,
  };
}

/** The reply to a history. */
export function historyOf(reply: Uint8Array): VersionInfo[] {
  return readHistory(new ByteReader(reply)).map(versionInfo);
}

/** The reply to a diff. */
export function diffOf(reply: Uint8Array): Diff {
  const diff = readDiff(new ByteReader(reply));
  const value = (bytes: Uint8Array | undefined): unknown => (bytes === undefined ? undefined : decodeValue(bytes));
  const classAt = (at: RawClassAt | undefined): ClassAt | null => (at === undefined ? null : { ...at, hash: hex(at.hash) });
  return {
    from: versionInfo(diff.from),
    to: versionInfo(diff.to),
    fields: diff.fields.map((change) => ({
      field: change.field,
      kind: change.old === undefined ? "added" : change.new === undefined ? "removed" : "changed",
      old: value(change.old),
      new: value(change.new),
    })),
    oldClass: classAt(diff.oldClass),
    newClass: classAt(diff.newClass),
  };
}
