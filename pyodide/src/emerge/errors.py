"""Errors: one class for each code of the protocol."""

from __future__ import annotations

__all__ = [
    "AlreadyExistsError",
    "BadArgumentError",
    "BadFrameError",
    "BadPathError",
    "CancelledError",
    "ClassInvalidError",
    "ClassNotFoundError",
    "ConflictError",
    "DeadlineExceededError",
    "DirectoryNotEmptyError",
    "DisconnectedError",
    "EmergeError",
    "ForbiddenOriginError",
    "InternalError",
    "IsADirectoryError",
    "LimitExceededError",
    "LogExpiredError",
    "MethodFailedError",
    "MethodNotFoundError",
    "NotADirectoryError",
    "NotFoundError",
    "NotUniqueError",
    "OutOfMemoryError",
    "PermissionDeniedError",
    "QuotaExceededError",
    "SessionExpiredError",
    "StorageFailedError",
    "TooDeepError",
    "TooLargeError",
    "TransactionExpiredError",
    "UnauthenticatedError",
    "UnavailableError",
    "UnknownFrameError",
    "UnmappableValueError",
    "UnsupportedError",
    "UnsupportedVersionError",
]


class EmergeError(Exception):
    """An operation failed.

    Attributes:
        code: the stable code, as in ``"not_found"``.
        message: one sentence for a person.
        field: the field path, argument or name that it is about, as in ``"farms[0].size"``.
        limit: the limit that was reached.
        path: the path that it is about.
        trace: the traceback of a method that failed on the node.
        log: what the method that failed had logged, when its log was asked for.
        effect: ``"none"`` when the change did not happen, ``"unknown"`` when it may have.
        retry_after: seconds after which it may be tried again, when that is known.
    """

    code: str = "internal"

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        limit: int | None = None,
        path: str | None = None,
        trace: str | None = None,
        effect: str | None = None,
        log: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.limit = limit
        self.path = path
        self.trace = trace
        self.effect = effect
        self.log = log
        self.retry_after = retry_after

    def __str__(self) -> str:
        text = f"{self.code}: {self.message}"
        return f"{text}\n{self.trace}" if self.trace else text


class BadFrameError(EmergeError):
    """The message is not well-formed CBOR, is cut short, or a field has the wrong type."""

    code = "bad_frame"


class UnknownFrameError(EmergeError):
    """The frame's kind is not one that this side knows."""

    code = "unknown_frame"


class TooLargeError(EmergeError):
    """A message or a value is larger than its limit."""

    code = "too_large"


class TooDeepError(EmergeError):
    """A value nests deeper than its limit."""

    code = "too_deep"


class UnsupportedVersionError(EmergeError):
    """The two sides share no protocol version."""

    code = "unsupported_version"


class UnauthenticatedError(EmergeError):
    """The token is missing, wrong or expired."""

    code = "unauthenticated"


class PermissionDeniedError(EmergeError):
    """The caller may not do this."""

    code = "permission_denied"


class BadPathError(EmergeError):
    """The path is not well-formed."""

    code = "bad_path"


class NotFoundError(EmergeError):
    """Nothing is stored at the path."""

    code = "not_found"


class AlreadyExistsError(EmergeError):
    """Something is stored at the path already."""

    code = "already_exists"


class NotADirectoryError(EmergeError):
    """The path, or a part of it, is not a directory."""

    code = "not_a_directory"


class IsADirectoryError(EmergeError):
    """The path is a directory where an object is needed."""

    code = "is_a_directory"


class DirectoryNotEmptyError(EmergeError):
    """The directory has members and `recursive` was not asked for."""

    code = "directory_not_empty"


class ConflictError(EmergeError):
    """The object has changed since it was read."""

    code = "conflict"


class ClassNotFoundError(EmergeError):
    """The node does not have the class or the class version."""

    code = "class_not_found"


class ClassInvalidError(EmergeError):
    """The class cannot be used: its source does not compile, or it uses a name that cannot travel."""

    code = "class_invalid"


class MethodNotFoundError(EmergeError):
    """The class has no such method."""

    code = "method_not_found"


class BadArgumentError(EmergeError):
    """An argument of an operation or a call is not what it must be."""

    code = "bad_argument"


class MethodFailedError(EmergeError):
    """The method raised an error; `trace` has its traceback."""

    code = "method_failed"


class DeadlineExceededError(EmergeError):
    """The method or the request ran past its deadline."""

    code = "deadline_exceeded"


class OutOfMemoryError(EmergeError):
    """The method used more memory than its limit."""

    code = "out_of_memory"


class CancelledError(EmergeError):
    """The caller cancelled the request."""

    code = "cancelled"


class UnmappableValueError(EmergeError):
    """A value has no mapping between the language and Emerge."""

    code = "unmappable_value"


class LimitExceededError(EmergeError):
    """A count (requests in flight, items, depth of calls) is past its limit."""

    code = "limit_exceeded"


class SessionExpiredError(EmergeError):
    """The node no longer knows the session."""

    code = "session_expired"


class DisconnectedError(EmergeError):
    """The connection is gone and will not be tried again."""

    code = "disconnected"


class StorageFailedError(EmergeError):
    """Storage did not accept the change."""

    code = "storage_failed"


class UnsupportedError(EmergeError):
    """The node does not offer this."""

    code = "unsupported"


class UnavailableError(EmergeError):
    """The node is stopping or not ready."""

    code = "unavailable"


class ForbiddenOriginError(EmergeError):
    """The page's origin or host is not allowed."""

    code = "forbidden_origin"


class InternalError(EmergeError):
    """A defect in Emerge; please report it."""

    code = "internal"


class TransactionExpiredError(EmergeError):
    """The transaction has ended or the node no longer holds it; what of it was not committed has not happened."""

    code = "transaction_expired"


class LogExpiredError(EmergeError):
    """The change log no longer reaches back to where a watch is to go on; look at what there is now, and watch from there."""

    code = "log_expired"


class NotUniqueError(EmergeError):
    """A field of the class is unique, and another object has this value."""

    code = "not_unique"


class QuotaExceededError(EmergeError):
    """A user would store more than the user's quota allows; ``field`` is ``objects`` or ``bytes``."""

    code = "quota_exceeded"


CODES: dict[str, type[EmergeError]] = {each.code: each for each in EmergeError.__subclasses__()}
"""The class of each code."""


def from_wire(
    parts: tuple[str, str, str | None, int | None, str | None, str | None, str | None, str | None, int | None],
) -> EmergeError:
    """Makes the error that a node or the session gave."""
    code, message, field, limit, path, trace, effect, log, retry_after_ms = parts
    retry_after = None if retry_after_ms is None else retry_after_ms / 1000
    kind = CODES.get(code, InternalError)
    return kind(
        message, field=field, limit=limit, path=path, trace=trace, effect=effect, log=log, retry_after=retry_after
    )
