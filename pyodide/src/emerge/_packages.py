"""The packages that a class requires of the node's native Python."""

from __future__ import annotations

from ._hints import annotations_of
from .errors import ClassInvalidError


def packages_of(cls: type) -> tuple[str, ...]:
    """What the statement of a class says in ``requires = ["pandas"]``; nothing when it says nothing, or has a field of that name.

    Raises:
        ClassInvalidError: it is neither a list nor a tuple of texts (``field`` is ``requires``).
    """
    said = vars(cls).get("requires")
    if not isinstance(said, (list, tuple)) or "requires" in annotations_of(cls):
        return ()
    if not all(isinstance(each, str) for each in said):
        raise ClassInvalidError(
            f'class {cls.__name__}: requires names packages, as in requires = ["pandas"]', field="requires"
        )
    return tuple(dict.fromkeys(said))
