//! Children: objects that another refers to in a list.

use super::Tx;
use super::inside::End;
use super::object::Cause;
use super::place;
use crate::backend::Backend;
use emerge_proto::inside::Inside;
use emerge_proto::op::{Child, StoreMode, Target};
use emerge_proto::record::Stored;
use emerge_proto::value::raw;
use emerge_proto::{Error, ErrorCode, Result, Value, limits};

impl<B: Backend> Tx<B> {
    /// Makes objects the children of another. See [`emerge_proto::Op::Add`].
    ///
    /// # Errors
    /// `not_found`, `already_exists` (a child that is in the list already, a new one whose path is taken), `bad_argument` (the place is no list),
    /// `limit_exceeded`, `is_a_directory`, `permission_denied`, `bad_path`, `class_not_found`, `too_large`.
    pub async fn add_children(&mut self, target: &Target, field: &str, children: &[Child]) -> Result<Stored> {
        let savepoint = self.savepoint();
        let result = self.add_inner(target, field, children).await;
        self.settle(&savepoint, result)
    }

    async fn add_inner(&mut self, target: &Target, field: &str, children: &[Child]) -> Result<Stored> {
        if children.is_empty() {
            return Err(Error::new(ErrorCode::BadArgument, "a child is needed").field("children"));
        }
        if children.len() > limits::MAX_CHILDREN {
            let why =
                format!("one add takes {} children at most, not {}", limits::MAX_CHILDREN, children.len());
            return Err(Error::new(ErrorCode::LimitExceeded, why)
                .field("children")
                .limit(limits::MAX_CHILDREN as u64));
        }
        let list = Inside::parse(field)?;
        let mut paths = Vec::with_capacity(children.len());
        for child in children {
            paths.push(self.child_path(child).await?);
        }
        let spot = self.spot(target, None, list.steps(), End::Stay).await?;
        let of = format!("{}#{field}", spot.place.path);
        let at = spot.place.path.clone();
        let wrong = move |code, why: String| Error::new(code, why).at(&at).field(field);
        self.put_inside(&spot.place, &spot.steps, Cause::Stored, |old| {
            let mut items = match old {
                None | Some(Value::Null) => Vec::new(),
                Some(Value::List(items)) => items,
                Some(other) => {
                    let why = format!("{of} is a {} and no list", other.type_name());
                    return Err(wrong(ErrorCode::BadArgument, why));
                }
            };
            for path in paths {
                if items.iter().any(|item| matches!(item, Value::Ref(known) if *known == path)) {
                    return Err(wrong(ErrorCode::AlreadyExists, format!("{path} is in {of} already")));
                }
                items.push(Value::Ref(path));
            }
            Ok(Value::List(items))
        })
        .await
    }

    /// Where a child is, once it is there.
    async fn child_path(&mut self, child: &Child) -> Result<String> {
        let target = Target::Path(child.path.clone());
        if let Some(class) = child.class {
            let fields = child.fields.as_deref().unwrap_or(raw::EMPTY);
            self.store_inner(&target, class, fields, StoreMode::Create, None, &[]).await?;
            return Ok(emerge_proto::Path::parse(&child.path)?.to_string());
        }
        if child.fields.is_some() {
            let why = "a new child needs the class version of its fields";
            return Err(Error::new(ErrorCode::BadArgument, why).field("class"));
        }
        let found = self.whole(&target).await?;
        if found.object.is_directory() {
            return Err(place::is_a_directory(&found.path));
        }
        Ok(found.path.to_string())
    }
}
