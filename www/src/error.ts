import { ERROR_CODES, type ErrorCode } from "./generated.js";

/** What else an error may name; each is absent when it has nothing to say. */
export interface ErrorDetails {
  /** The path that the error is about. */
  path?: string | undefined;
  /** The field, argument or name that the error is about, as a field path (`farms[0].name`). */
  field?: string | undefined;
  /** The limit that was reached. */
  limit?: number | undefined;
  /** The user's own lines of a traceback. */
  trace?: string | undefined;
  /** What the method had logged. */
  log?: string | undefined;
  /** Whether the change that a failed request asked for may have happened all the same. */
  effect?: Effect | undefined;
  /** Milliseconds after which it may be tried again. */
  retryAfter?: number | undefined;
}

/** `none`: it did not happen and will not. `unknown`: it may have happened. */
export type Effect = "none" | "unknown";

/** The base of every error that Emerge raises; `code` is stable, the message is for people. */
export class EmergeError extends Error {
  /** The stable code, `snake_case`. */
  readonly code: ErrorCode;
  /** The path that the error is about. */
  readonly path?: string;
  /** The field, argument or name that the error is about, as a field path (`farms[0].name`). */
  readonly field?: string;
  /** The limit that was reached. */
  readonly limit?: number;
  /** The user's own lines of a traceback, when a method failed. */
  readonly trace?: string;
  /** What the method that failed had logged, when its log was asked for. */
  readonly log?: string;
  /** Whether the change may have happened all the same. */
  readonly effect: Effect;
  /** Milliseconds after which it may be tried again, when that is known. */
  readonly retryAfter?: number;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message);
    this.code = code;
    if (details.path !== undefined) this.path = details.path;
    if (details.field !== undefined) this.field = details.field;
    if (details.limit !== undefined) this.limit = details.limit;
    if (details.trace !== undefined) this.trace = details.trace;
    if (details.log !== undefined) this.log = details.log;
    this.effect = details.effect ?? "none";
    if (details.retryAfter !== undefined) this.retryAfter = details.retryAfter;
  }
}

type ErrorClass = new (code: ErrorCode, message: string, details?: ErrorDetails) => EmergeError;
const classes = new Map<ErrorCode, ErrorClass>();

// Names are given as text: a minifier may rename the class, and `error.name` must stay.
function register(code: ErrorCode, name: string, kind: ErrorClass): void {
  Object.defineProperty(kind.prototype, "name", { value: name, configurable: true, writable: true });
  classes.set(code, kind);
}
Object.defineProperty(EmergeError.prototype, "name", { value: "EmergeError", configurable: true, writable: true });

/** The message is not well-formed CBOR, is cut short, or a field has the wrong type. (`bad_frame`) */
export class BadFrameError extends EmergeError {}
register("bad_frame", "BadFrameError", BadFrameError);

/** The frame's kind is not one that this side knows. (`unknown_frame`) */
export class UnknownFrameError extends EmergeError {}
register("unknown_frame", "UnknownFrameError", UnknownFrameError);

/** A message or a value is larger than its limit. (`too_large`) */
export class TooLargeError extends EmergeError {}
register("too_large", "TooLargeError", TooLargeError);

/** A value nests deeper than its limit. (`too_deep`) */
export class TooDeepError extends EmergeError {}
register("too_deep", "TooDeepError", TooDeepError);

/** The two sides share no protocol version. (`unsupported_version`) */
export class UnsupportedVersionError extends EmergeError {}
register("unsupported_version", "UnsupportedVersionError", UnsupportedVersionError);

/** The token is missing, wrong or expired. (`unauthenticated`) */
export class UnauthenticatedError extends EmergeError {}
register("unauthenticated", "UnauthenticatedError", UnauthenticatedError);

/** The caller may not do this. (`permission_denied`) */
export class PermissionDeniedError extends EmergeError {}
register("permission_denied", "PermissionDeniedError", PermissionDeniedError);

/** The path is not well-formed. (`bad_path`) */
export class BadPathError extends EmergeError {}
register("bad_path", "BadPathError", BadPathError);

/** Nothing is stored at the path. (`not_found`) */
export class NotFoundError extends EmergeError {}
register("not_found", "NotFoundError", NotFoundError);

/** Something is stored at the path already. (`already_exists`) */
export class AlreadyExistsError extends EmergeError {}
register("already_exists", "AlreadyExistsError", AlreadyExistsError);

/** The path, or a part of it, is not a directory. (`not_a_directory`) */
export class NotADirectoryError extends EmergeError {}
register("not_a_directory", "NotADirectoryError", NotADirectoryError);

/** The path is a directory where an object is needed. (`is_a_directory`) */
export class IsADirectoryError extends EmergeError {}
register("is_a_directory", "IsADirectoryError", IsADirectoryError);

/** The directory has members and `recursive` was not asked for. (`directory_not_empty`) */
export class DirectoryNotEmptyError extends EmergeError {}
register("directory_not_empty", "DirectoryNotEmptyError", DirectoryNotEmptyError);

/** The object has changed since it was read. (`conflict`) */
export class ConflictError extends EmergeError {}
register("conflict", "ConflictError", ConflictError);

/** The node does not have the class or the class version. (`class_not_found`) */
export class ClassNotFoundError extends EmergeError {}
register("class_not_found", "ClassNotFoundError", ClassNotFoundError);

/** The class cannot be used: its source does not compile, or it uses a name that cannot travel. (`class_invalid`) */
export class ClassInvalidError extends EmergeError {}
register("class_invalid", "ClassInvalidError", ClassInvalidError);

/** The class has no such method. (`method_not_found`) */
export class MethodNotFoundError extends EmergeError {}
register("method_not_found", "MethodNotFoundError", MethodNotFoundError);

/** An argument of an operation or a call is not what it must be. (`bad_argument`) */
export class BadArgumentError extends EmergeError {}
register("bad_argument", "BadArgumentError", BadArgumentError);

/** The method raised an error; `trace` has its traceback. (`method_failed`) */
export class MethodFailedError extends EmergeError {}
register("method_failed", "MethodFailedError", MethodFailedError);

/** The method or the request ran past its deadline. (`deadline_exceeded`) */
export class DeadlineExceededError extends EmergeError {}
register("deadline_exceeded", "DeadlineExceededError", DeadlineExceededError);

/** The method used more memory than its limit. (`out_of_memory`) */
export class OutOfMemoryError extends EmergeError {}
register("out_of_memory", "OutOfMemoryError", OutOfMemoryError);

/** The caller cancelled the request. (`cancelled`) */
export class CancelledError extends EmergeError {}
register("cancelled", "CancelledError", CancelledError);

/** A value has no mapping between the language and Emerge. (`unmappable_value`) */
export class UnmappableValueError extends EmergeError {}
register("unmappable_value", "UnmappableValueError", UnmappableValueError);

/** A count (requests in flight, items, depth of calls) is past its limit. (`limit_exceeded`) */
export class LimitExceededError extends EmergeError {}
register("limit_exceeded", "LimitExceededError", LimitExceededError);

/** The node no longer knows the session. (`session_expired`) */
export class SessionExpiredError extends EmergeError {}
register("session_expired", "SessionExpiredError", SessionExpiredError);

/** The connection is gone and will not be tried again. (`disconnected`) */
export class DisconnectedError extends EmergeError {}
register("disconnected", "DisconnectedError", DisconnectedError);

/** Storage did not accept the change. (`storage_failed`) */
export class StorageFailedError extends EmergeError {}
register("storage_failed", "StorageFailedError", StorageFailedError);

/** The node does not offer this. (`unsupported`) */
export class UnsupportedError extends EmergeError {}
register("unsupported", "UnsupportedError", UnsupportedError);

/** The node is stopping or not ready. (`unavailable`) */
export class UnavailableError extends EmergeError {}
register("unavailable", "UnavailableError", UnavailableError);

/** The page's origin or host is not allowed. (`forbidden_origin`) */
export class ForbiddenOriginError extends EmergeError {}
register("forbidden_origin", "ForbiddenOriginError", ForbiddenOriginError);

/** A defect in Emerge; please report it. (`internal`) */
export class InternalError extends EmergeError {}
register("internal", "InternalError", InternalError);

/** The transaction has ended or the node no longer holds it; what of it was not committed has not happened. (`transaction_expired`) */
export class TransactionExpiredError extends EmergeError {}
register("transaction_expired", "TransactionExpiredError", TransactionExpiredError);

/** The change log no longer reaches back to where a watch is to go on; look at what there is now, and watch from there. (`log_expired`) */
export class LogExpiredError extends EmergeError {}
register("log_expired", "LogExpiredError", LogExpiredError);

/** A field of the class is unique, and another object has this value. (`not_unique`) */
export class NotUniqueError extends EmergeError {}
register("not_unique", "NotUniqueError", NotUniqueError);

/** A user would store more than the user's quota allows; `field` is `objects` or `bytes`. (`quota_exceeded`) */
export class QuotaExceededError extends EmergeError {}
register("quota_exceeded", "QuotaExceededError", QuotaExceededError);

/** The error of a code: of the subclass that belongs to it. */
export function errorOf(code: ErrorCode, message: string, details?: ErrorDetails): EmergeError {
  return new (classes.get(code) ?? EmergeError)(code, message, details);
}

/** An error when the caller has given up. */
export function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw errorOf("cancelled", "the request was aborted before it was made");
}

/** The code with a number of the wire; a number that this client does not know yet counts as `internal`. */
export function codeOf(number: number): ErrorCode {
  return ERROR_CODES[number] ?? "internal";
}

/** Each code and its class, for those who list them. */
export const errorClasses: ReadonlyMap<ErrorCode, ErrorClass> = classes;
