//! Users, groups, tokens and quotas as JSON.

use super::args::{Args, bad, digest};
use super::{MOMENT, moment, time};
use emerge_proto::account::{
    GroupAction, GroupInfo, NewToken, Quota, QuotaInfo, TokenAction, TokenInfo, UserAction, UserInfo,
};
use emerge_proto::{Op, Result};
use serde_json::{Value as Json, json};

/// Reads the operation about users.
pub(super) fn users(args: &Args<'_>) -> Result<Op> {
    Ok(Op::Users {
        action: UserAction::parse(args.text("action")?)
            .ok_or_else(|| bad("action", "one of \"list\", \"add\", \"remove\", \"token\" is needed"))?,
        name: args.optional_text("name")?.map(str::to_owned),
        token_hash: args.optional("token_hash", "64 hexadecimal digits", digest)?,
        groups: args.names("groups")?,
    })
}

/// Reads the operation about groups.
pub(super) fn groups(args: &Args<'_>) -> Result<Op> {
    Ok(Op::Groups {
        action: GroupAction::parse(args.text("action")?).ok_or_else(|| {
            bad("action", "one of \"list\", \"add\", \"remove\", \"join\", \"leave\" is needed")
        })?,
        name: args.optional_text("name")?.map(str::to_owned),
        user: args.optional_text("user")?.map(str::to_owned),
    })
}

/// Reads the operation about quotas.
pub(super) fn quotas(args: &Args<'_>) -> Result<Op> {
    Ok(Op::Quotas {
        user: args.optional_text("user")?.map(str::to_owned),
        set: match args.get("set") {
            None | Some(Json::Null) => None,
            Some(set) => Some(quota(set)?),
        },
    })
}

/// Reads the operation about tokens.
pub(super) fn tokens(args: &Args<'_>) -> Result<Op> {
    let action = TokenAction::parse(args.text("action")?)
        .ok_or_else(|| bad("action", "one of \"list\", \"create\", \"revoke\" is needed"))?;
    let hash = args.optional("token_hash", "64 hexadecimal digits", digest)?;
    let (scope, note) = (args.names("scope")?, args.optional_text("note")?.map(str::to_owned));
    let expires = args.optional("expires", MOMENT, |json| moment(json.as_str()?))?;
    Ok(Op::Tokens {
        action,
        user: args.optional_text("user")?.map(str::to_owned),
        id: args.optional_text("id")?.map(str::to_owned),
        token: hash.map(|hash| NewToken { hash, scope, expires, note }),
    })
}

fn quota(json: &Json) -> Result<Quota> {
    let args = Args::of(json, "set", "an object with \"objects\" and \"bytes\" is needed")?;
    let quota = Quota { objects: args.integer("objects")?, bytes: args.integer("bytes")? };
    args.end("set")?;
    Ok(quota)
}

/// A user as JSON.
pub fn user_to_json(user: &UserInfo) -> Json {
    json!({ "name": user.name, "groups": user.groups, "created": time(user.created) })
}

/// A group as JSON.
pub fn group_to_json(group: &GroupInfo) -> Json {
    json!({ "name": group.name, "members": group.members })
}

/// A token as JSON.
pub fn token_to_json(token: &TokenInfo) -> Json {
    json!({
        "id": token.id, "user": token.user, "scope": token.scope, "created": time(token.created),
        "expires": token.expires.map(time), "note": token.note, "parent": token.parent,
    })
}

/// What a user stores and may store, as JSON.
pub fn quota_to_json(quota: &QuotaInfo) -> Json {
    json!({
        "user": quota.user, "objects": quota.objects, "bytes": quota.bytes,
        "max_objects": quota.max_objects, "max_bytes": quota.max_bytes,
    })
}
