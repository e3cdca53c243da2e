//! From an operation to the transaction's method, and from its record to bytes.

use emerge_engine::{Backend, Index, Tx};
use emerge_proto::class::encode;
use emerge_proto::query::IndexInfo;
use emerge_proto::{Error, ErrorCode, MethodDecl, Op, Result};

/// The encoded null that operations without a record reply with.
pub(crate) const NULL: &[u8] = &[0xf6];

/// Runs any operation but `call`, `query`, `migrate`, `mixin`, `search` and `explain`, which need the runtime. `methods` is what its analysis found in the class of a `put_class`.
pub(crate) async fn dispatch<B: Backend>(tx: &mut Tx<B>, op: &Op, methods: &[MethodDecl]) -> Result<Vec<u8>> {
    Ok(match op {
        Op::Mkdir { path, exist_ok } => encode(&tx.mkdir(path, *exist_ok).await?),
        Op::Store { path, class, fields, mode, base, removed } => {
            let removed = removed.as_deref().unwrap_or_default();
            encode(&tx.store(path, *class, fields, *mode, *base, removed).await?)
        }
        Op::Get { path, version, children: None } => encode(&tx.get(path, *version).await?),
        Op::Get { path, version, children: Some(from) } => encode(&tx.children(path, *version, *from).await?),
        Op::Stat { path } => encode(&tx.stat(path).await?),
        Op::List { path, after, limit } => encode(&tx.list(path, after.as_deref(), *limit).await?),
        Op::Rm { path, recursive } => {
            tx.rm(path, *recursive).await?;
            NULL.to_vec()
        }
        Op::Mv { from, to } => {
            tx.mv(from, to).await?;
            NULL.to_vec()
        }
        Op::Cp { from, to, recursive } => {
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
        Op::History { path } => encode(&tx.history(path).await?),
        Op::CreateIndex { class, field, unique } => encode(&info(&tx.create_index(class, field, *unique).await?)),
        Op::DropIndex { class, field } => encode(&tx.drop_index(class, field).await?),
        Op::Indexes {} => encode(&tx.indexes().iter().map(|index| info(index)).collect::<Vec<_>>()),
        Op::PutClass { class } => encode(&tx.put_class(class.clone(), methods.to_vec()).await?),
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

fn info(index: &Index) -> IndexInfo {
    IndexInfo {
        class: index.class.clone(),
        class_id: index.class_id,
        field: index.field.clone(),
        unique: index.unique,
        ready: index.ready,
    }
}
