/**
 * Objects with behaviour, kept on an Emerge node.
 *
 * @packageDocumentation
 */

export type { Which } from "./arguments.js";
export { Accounts, type GroupInfo, type QuotaInfo, type QuotaOptions, type TokenInfo, type TokenOptions, type UserInfo } from "./accounts.js";
export { connect, Connection, type ConnectOptions } from "./client.js";
export {
  CalendarDate, Decimal, Duration, EmbeddedObject, Float64, NdArray, Ref, Table, type TypedArray, Uuid,
} from "./codec.js";
export type { Child, Children, One, Several } from "./compose.js";
export { Directory } from "./directory.js";
export type { Description, FieldInfo, MethodInfo } from "./describe.js";
export * from "./error.js";
export {
  any, array, bool, bytes, date, datetime, decimal, duration, Field, type FieldKind, type Fields, type FieldsOf, float, int,
  list, map, object, ref, set, text, uuid,
} from "./fields.js";
export { FileSystem } from "./filesystem.js";
export type {
  AnyObject, CallEachOptions, Called, Clash, ClassAt, CopyProgress, Diff, FieldChange, How, IndexInfo, InvokeOptions, ListOptions, MemberResult,
  Kept, Mixed, Options, Progress, Remote, StoreAllOptions, StoreOptions, Stored, Transport, VersionInfo,
} from "./results.js";
export { ERROR_CODES, type ErrorCode, LIMITS } from "./generated.js";
export { Meta, type ObjectType, type StoredMeta } from "./meta.js";
export { type ModuleSource, wasmClass } from "./module.js";
export { type EmergeClass, EmergeObject } from "./object.js";
export { type Aggregate, type Aggregates, type GroupRow, Search, type SearchFailure, type SearchOptions, type TextMatch } from "./search.js";
export type { Highlight } from "./wire-search.js";
export type { ConnectionState } from "./session.js";
export { Stream } from "./stream.js";
export { Trust, type TrustedClass, type TrustStorage } from "./trust.js";
export type { BeginOptions, Transaction, TransactionInfo, TransactionOptions } from "./transaction.js";
export type { Change, WatchOptions } from "./watch.js";
export type { WasmSource } from "./wasm.js";
export type { Method, Param, Rules, SortName } from "./wire.js";
export type { Plan } from "./wire-search.js";
