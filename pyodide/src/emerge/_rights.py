"""Rights, rules of directories, users, groups and tokens, as coroutines."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from ._arguments import names
from ._meta import GroupInfo, NewToken, QuotaInfo, TokenInfo, UserInfo, moment
from ._paths import At


def _new_token() -> tuple[str, bytes]:
    """A token and its hash, which is all that the node is told of it."""
    token = secrets.token_hex(32)
    return token, hashlib.sha256(token.encode()).digest()


def _token(raw: tuple[Any, ...]) -> TokenInfo:
    id, user, scope, created, expires, note, parent = raw
    return TokenInfo(id, user, tuple(scope), moment(created), expires and moment(expires), note, parent)


class Rights:
    """What a file system has of rights."""

    async def _ask(self, *op: Any, timeout: float | None = None) -> Any:
        raise NotImplementedError

    async def chmod(self, path: At, perms: str | int, *, recursive: bool = False, timeout: float | None = None) -> int:
        """Changes permissions, which only the owner and the administrator may; gives the number of the version that it made.

        Args:
            path: of what.
            perms: all of them, ``"rwxr-x---"`` or ``0o750``, or changes, ``"u+x,g-w"``.
            recursive: whether all below a directory changes too, in the same commit.
            timeout: seconds.
        """
        text = f"{perms:03o}" if isinstance(perms, int) else perms
        return int((await self._ask("chmod", path, text, recursive, timeout=timeout))[1])

    async def chown(
        self,
        path: At,
        owner: str | None = None,
        *,
        group: str | None = None,
        recursive: bool = False,
        timeout: float | None = None,
    ) -> int:
        """Gives to another owner or group; gives the number of the version that it made.

        Args:
            path: what.
            owner: the user who is to own it, which only the administrator may change.
            group: the group; the owner may give to a group of their own.
            recursive: whether all below a directory goes too, in the same commit.
            timeout: seconds.
        """
        return int((await self._ask("chown", path, owner, group, recursive, timeout=timeout))[1])

    async def set_rules(
        self, path: At, *, keep: str | None = None, mask: str | int | None = None, timeout: float | None = None
    ) -> int:
        """Sets rules for all that lies below a directory, up to one with rules of its own.

        Args:
            path: the directory.
            keep: which versions are kept: ``"all"``, ``"10 versions"``, ``"30 days"``, ``"default"``, or ``"inherit"`` for what
                holds above. It stays when left out.
            mask: the permissions that new members do not get: ``0o027``, ``"027"`` or ``"inherit"``. It stays when left out.
            timeout: seconds.

        Returns:
            The number of the directory's version that it made.
        """
        text = f"{mask:03o}" if isinstance(mask, int) else mask
        return int((await self._ask("set_rules", path, keep, text, timeout=timeout))[1])

    async def users(self, *, timeout: float | None = None) -> tuple[UserInfo, ...]:
        """The users that the node knows, which only the administrator may see and change."""
        users = await self._ask("users", "list", timeout=timeout)
        return tuple(UserInfo(name, tuple(groups), moment(created)) for name, groups, created in users)

    async def add_user(self, name: str, groups: Iterable[str] = (), *, timeout: float | None = None) -> str:
        """Makes a user, in some groups. Gives the token, which is kept nowhere."""
        return await self._with_token("add", name, tuple(names(groups, "groups")), timeout)

    async def new_token(self, name: str, *, timeout: float | None = None) -> str:
        """Gives a user another token; the present one is not valid any more."""
        return await self._with_token("token", name, None, timeout)

    async def _with_token(self, action: str, name: str, groups: tuple[str, ...] | None, timeout: float | None) -> str:
        token, digest = _new_token()
        await self._ask("users", action, name, digest, groups, timeout=timeout)
        return token

    async def remove_user(self, name: str, *, timeout: float | None = None) -> None:
        """Forgets a user, whose token is not valid any more. Their objects stay."""
        await self._ask("users", "remove", name, timeout=timeout)

    async def tokens(self, user: str | None = None, *, timeout: float | None = None) -> tuple[TokenInfo, ...]:
        """The tokens that the caller may see: the caller's own; for the administrator those of all, or of a user."""
        return tuple(_token(raw) for raw in await self._ask("tokens", "list", user, timeout=timeout))

    async def create_token(
        self,
        user: str | None = None,
        *,
        scope: str | Iterable[str] | None = None,
        expires: datetime | None = None,
        note: str | None = None,
        timeout: float | None = None,
    ) -> NewToken:
        """Makes a token; it can neither grant more than the one in use nor end later.

        Args:
            user: for whom, which the administrator may say; the caller when left out.
            scope: what it is for: ``"read:/inventory/**"`` or several of these, where the verb is ``read``, ``write``, ``call``,
                ``rights`` or ``*``; ``"*"`` for everything. As much as the token in use when left out.
            expires: when it ends.
            note: what it is made for, for people.
            timeout: seconds.
        """
        grants = (scope,) if isinstance(scope, str) else None if scope is None else tuple(names(scope, "scope"))
        token, digest = _new_token()
        made = await self._ask("tokens", "create", user, None, digest, grants, expires, note, timeout=timeout)
        return NewToken(token, _token(made[0]))

    async def revoke_token(
        self, id: str, user: str | None = None, *, timeout: float | None = None
    ) -> tuple[TokenInfo, ...]:
        """Takes a token back, and those that were made with it; gives what the node knew of them."""
        return tuple(_token(raw) for raw in await self._ask("tokens", "revoke", user, id, timeout=timeout))

    async def quotas(self, user: str | None = None, *, timeout: float | None = None) -> tuple[QuotaInfo, ...]:
        """What users store and may store: the caller, or a user; for the administrator all."""
        return tuple(QuotaInfo(*raw) for raw in await self._ask("quotas", user, timeout=timeout))

    async def set_quota(
        self, user: str, *, objects: int | None = None, bytes: int | None = None, timeout: float | None = None
    ) -> QuotaInfo:
        """Says what a user may store from now on, which only the administrator may. What is there already stays.

        Args:
            user: whose.
            objects: how many objects and directories there may be; any number when left out.
            bytes: how many bytes there may be; any number when left out.
            timeout: seconds.
        """
        return QuotaInfo(*(await self._ask("quotas", user, True, objects, bytes, timeout=timeout))[0])

    async def groups(self, *, timeout: float | None = None) -> tuple[GroupInfo, ...]:
        """The groups that the node knows, with their members."""
        groups = await self._ask("groups", "list", timeout=timeout)
        return tuple(GroupInfo(name, tuple(members)) for name, members in groups)

    async def add_group(self, name: str, *, timeout: float | None = None) -> None:
        """Makes a group."""
        await self._ask("groups", "add", name, timeout=timeout)

    async def remove_group(self, name: str, *, timeout: float | None = None) -> None:
        """Forgets a group; nobody is in it any more."""
        await self._ask("groups", "remove", name, timeout=timeout)

    async def join_group(self, name: str, user: str, *, timeout: float | None = None) -> None:
        """Takes a user into a group."""
        await self._ask("groups", "join", name, user, timeout=timeout)

    async def leave_group(self, name: str, user: str, *, timeout: float | None = None) -> None:
        """Lets a user out of a group."""
        await self._ask("groups", "leave", name, user, timeout=timeout)
