//! From an operation to the transaction's method, and from its record to bytes.

use crate::search::META;
use emerge_engine::{Backend, Base, Listing, Tx};
use emerge_proto::class::encode;
use emerge_proto::inside::field_name;
use emerge_proto::{Error, ErrorCode, MethodDecl, Op, Result};

/// The encoded null that operations without a record reply with.
pub(crate) const NULL: &[u8] = &[0xf6];

/// Runs any operation but `call`, `query`, `migrate`, `mixin`, `search` and `explain`, which need the runtime. `methods` is what its analysis found in the class of a `put_class`.
pub(crate) async fn dispatch<B: Backend>(tx: &mut Tx<B>, op: &Op, methods: &[MethodDecl]) -> Result<Vec<u8>> {
    Ok(match op {
        Op::Mkdir { path, exist_ok } => encode(&tx.mkdir(path, *exist_ok).await?),
        Op::Store { path, class, fields, mode, base, removed, id } => {
            let removed = removed.as_deref().unwrap_or_default();
            let base = base.map(|version| Base { version, id: *id });
            encode(&tx.store(path, *class, fields, *mode, base, removed).await?)
        }
        Op::Get { path, version, children: None } => encode(&tx.get(path, *version).await?),
        Op::Get { path, version, children: Some(from) } => encode(&tx.children(path, *version, *from).await?),
        Op::Stat { path } => encode(&tx.stat(path).await?),
        Op::List { path, after, limit, glob, sort, descending } => {
            let descending = descending.unwrap_or(false);
            let (after, glob) = (after.as_deref(), glob.as_deref());
            let listing = Listing { after, limit: *limit, glob, sort: *sort, descending };
            tx.list_encoded(path, &listing).await?
        }
        Op::Rm { path, recursive } => {
            tx.rm(path, *recursive).await?;
            NULL.to_vec()
        }
        Op::Mv { from, to } => {
            tx.mv(from, to).await?;
            NULL.to_vec()
        }
        Op::Cp { from, to, recursive, after: _ } => {
            tx.cp(from, to, *recursive).await?;
            NULL.to_vec()
        }
        Op::Class { path: Some(path), hash: None, name: None } => encode(&tx.class_by_path(path).await?),
        Op::Class { path: None, hash: Some(hash), name: None } => encode(&tx.class_by_hash(*hash).await?),
        Op::Class { path: None, hash: None, name: Some(name) } => encode(&tx.class_by_name(name).await?),
        Op::Class { .. } => {
            return Err(Error::new(
                ErrorCode::BadArgument,
                "\"class\" takes one of a path, a hash and a name",
            )
            .field("path"));
        }
        Op::Diff { path, from, to } => encode(&tx.diff(path, *from, *to).await?),
        Op::Restore { path, version, base } => encode(&tx.restore(path, *version, *base).await?),
        Op::Add { path, field, children } => encode(&tx.add_children(path, field, children).await?),
        Op::Set { path, value, base } => encode(&tx.set(path, value, *base).await?),
        Op::Chmod { path, perms, recursive } => encode(&tx.chmod(path, perms, *recursive).await?),
        Op::Chown { path, owner, group, recursive } => {
            encode(&tx.chown(path, owner.as_deref(), group.as_deref(), *recursive).await?)
        }
        Op::Purge { path, recursive } => {
            tx.purge(path, *recursive).await?;
            NULL.to_vec()
        }
        Op::SetRules { path, keep, mask } => {
            encode(&tx.set_rules(path, keep.as_deref(), mask.as_deref()).await?)
        }
        Op::Users { action, name, token_hash, groups } => {
            encode(&tx.users(*action, name.as_deref(), token_hash.as_deref(), groups.as_deref()).await?)
        }
        Op::Groups { action, name, user } => {
            encode(&tx.groups(*action, name.as_deref(), user.as_deref()).await?)
        }
        Op::Quotas { user, set } => encode(&tx.quotas(user.as_deref(), set.as_ref()).await?),
        Op::Tokens { action, user, id, token } => {
            encode(&tx.tokens(*action, user.as_deref(), id.as_deref(), token.as_ref()).await?)
        }
        Op::History { path, before, limit } => encode(&tx.history(path, *before, *limit).await?),
        Op::CreateIndex { field, .. } if field.starts_with(META) => {
            let why =
                format!("{field} is a property, by which no search uses an index; an index is by a field");
            return Err(Error::new(ErrorCode::BadArgument, why).field(field));
        }
        Op::CreateIndex { class, field, unique } => {
            encode(&tx.create_index(class, &field_name(field, "field")?, *unique).await?)
        }
        Op::DropIndex { class, field } => {
            // One that an earlier program made may have any name.
            let field = field_name(field, "field").unwrap_or_else(|_| field.into());
            encode(&tx.drop_index(class, &field).await?)
        }
        Op::Indexes {} => encode(&tx.index_infos().await?),
        Op::PutClass { class } => encode(&tx.put_class(class.clone(), methods.to_vec()).await?),
        Op::Begin { .. } | Op::In { .. } | Op::End { .. } | Op::Transactions { .. } => {
            let why =
                format!("{:?} is not there within a method, which is a transaction of its own", op.name());
            return Err(Error::new(ErrorCode::Unsupported, why));
        }
        Op::Watch { .. } => {
            let why = "a watch is a stream: ask for it with credit, or over HTTP at /api/watch; there is none within a method";
            return Err(Error::new(ErrorCode::Unsupported, why));
        }
        Op::Call { .. }
        | Op::Query { .. }
        | Op::Migrate { .. }
        | Op::Mixin { .. }
        | Op::Search { .. }
        | Op::Explain { .. } => {
            return Err(Error::new(ErrorCode::Internal, format!("{:?} does not belong here", op.name())));
        }
    })
}
