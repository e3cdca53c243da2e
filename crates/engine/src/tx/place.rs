//! From a target to what lies there, with the right to reach it.

use super::Tx;
use super::object::Base;
use crate::access::{self, Want};
use crate::backend::Backend;
use crate::object::Object;
use emerge_proto::op::Target;
use emerge_proto::{Error, ErrorCode, ObjectId, Path, Result};
use std::fmt;
use std::sync::Arc;

/// What lies at a path.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) id: ObjectId,
    pub(super) object: Arc<Object>,
    pub(super) path: Path,
    /// The directories from the root down to the one that holds it; none for the root.
    pub(super) above: Vec<(ObjectId, Arc<Object>)>,
}

impl Place {
    /// The directory that holds it.
    pub(super) fn parent(&self) -> Option<&(ObjectId, Arc<Object>)> {
        self.above.last()
    }

    pub(super) fn not_the_root(&self, what: &str) -> Result<&(ObjectId, Arc<Object>)> {
        self.parent().ok_or_else(|| {
            Error::new(ErrorCode::BadArgument, format!("the root directory cannot be {what}")).at(&self.path)
        })
    }
}

/// Where a path leads.
pub(super) enum Way {
    There(Place),
    /// Nothing is there for the caller. The directories down to the last that is, and how many segments of the path are.
    Missing {
        path: Path,
        above: Vec<(ObjectId, Arc<Object>)>,
        found: usize,
        /// Whether the next segment's name is taken all the same, by what is not there for the caller.
        taken: bool,
    },
}

impl<B: Backend> Tx<B> {
    pub(super) async fn root(&mut self) -> Result<Arc<Object>> {
        let root = self.object(ObjectId::ROOT).await?;
        root.ok_or_else(|| crate::object::damaged("the root directory"))
    }

    /// Walks down a path; every directory on the way must be one, and be passable for the caller.
    pub(super) async fn walk(&mut self, path: Path) -> Result<Way> {
        super::system::check_changeable(&path)?;
        let mut id = ObjectId::ROOT;
        let mut object = self.root().await?;
        let mut above = Vec::new();
        let (mut found, mut missing, mut taken) = (0, false, false);
        for segment in path.segments() {
            if !object.is_directory() {
                let at = ancestor(&path, found);
                return Err(Error::new(ErrorCode::NotADirectory, format!("{at} is not a directory")).at(at));
            }
            if !access::may(&self.principal, &object, Want::Execute, Above(&path, found)) {
                return Err(access::denied(&self.principal, &object, Want::Execute, &ancestor(&path, found)));
            }
            above.push((id, object.clone()));
            let Some(entry) = self.entry(id, segment).await? else {
                missing = true;
                break;
            };
            id = entry.id;
            object = self.object(id).await?.ok_or_else(|| changed(&path))?;
            if !access::knows(&self.principal, &object, Above(&path, found + 1)) {
                (missing, taken) = (true, true);
                break;
            }
            found += 1;
        }
        if missing {
            return Ok(Way::Missing { path, above, found, taken });
        }
        Ok(Way::There(Place { id, object, path, above }))
    }

    pub(super) async fn way(&mut self, target: &Target) -> Result<Way> {
        match target {
            Target::Path(text) => self.walk(Path::parse(text)?).await,
            Target::Id(id) => Ok(Way::There(self.climb(*id).await?)),
            Target::ResultOf(_) => Err(Error::new(
                ErrorCode::Unsupported,
                "this node does not take the result of an earlier request as a target",
            )),
        }
    }

    /// What lies at a target.
    pub(super) async fn place(&mut self, target: &Target) -> Result<Place> {
        match self.way(target).await? {
            Way::There(place) => Ok(place),
            Way::Missing { path, .. } => Err(not_found(&path)),
        }
    }

    /// From an object's id up to the root. What was unlinked, with all below it, is not found; nor is what the caller cannot reach.
    pub(super) async fn climb(&mut self, id: ObjectId) -> Result<Place> {
        let missing = || Error::new(ErrorCode::NotFound, format!("there is no object {id}")).at(id);
        let object = self.object(id).await?.ok_or_else(missing)?;
        let mut above = Vec::new();
        let mut names = Vec::new();
        let (mut child, mut below) = (id, object.clone());
        while child != ObjectId::ROOT {
            let parent = below.parent;
            if self.entry(parent, &below.name).await?.map(|entry| entry.id) != Some(child) {
                return Err(missing());
            }
            names.push(below.name.clone());
            below = self.object(parent).await?.ok_or_else(missing)?;
            above.push((parent, below.clone()));
            child = parent;
        }
        above.reverse();
        names.reverse();
        let path = Path::parse(&format!("/{}", names.join("/")))?;
        let passable = |(depth, (_, directory)): (usize, &(_, Arc<Object>))| {
            access::may(&self.principal, directory, Want::Execute, Above(&path, depth))
        };
        if !access::knows(&self.principal, &object, &path) || !above.iter().enumerate().all(passable) {
            return Err(missing());
        }
        Ok(Place { id, object, path, above })
    }

    /// The path of a target now.
    ///
    /// # Errors
    /// `not_found`, `permission_denied`, `bad_path`.
    pub async fn path_of(&mut self, target: &Target) -> Result<Path> {
        Ok(self.place(target).await?.path)
    }

    pub(super) fn check(&self, object: &Object, want: Want, path: &Path) -> Result<()> {
        access::check(&self.principal, object, want, path)
    }
}

/// The first segments of a path, for who may need them as a text.
struct Above<'a>(&'a Path, usize);

impl fmt::Display for Above<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ancestor(self.0, self.1).fmt(f)
    }
}

/// The first `depth` segments of a path.
pub(super) fn ancestor(path: &Path, depth: usize) -> Path {
    let above = path.segments().count().saturating_sub(depth);
    (0..above).fold(path.clone(), |path, _| path.parent().unwrap_or(path))
}

pub(super) fn not_found(path: &Path) -> Error {
    Error::new(ErrorCode::NotFound, format!("nothing is stored at {path}")).at(path)
}

pub(super) fn already_exists(path: &Path) -> Error {
    Error::new(ErrorCode::AlreadyExists, format!("something is stored at {path} already")).at(path)
}

/// Sees that what is at a place is the object that a change is based on, whatever its version.
///
/// # Errors
/// `conflict`.
pub(super) fn still_there(place: &Place, base: Base) -> Result<()> {
    if base.id.is_none_or(|id| id == place.id) {
        return Ok(());
    }
    let path = &place.path;
    let why =
        format!("{path} is another object by now; that which the change is based on was removed or moved");
    Err(Error::new(ErrorCode::Conflict, why).at(path))
}

/// As [`still_there`], and that it is at the version that the change is based on.
///
/// # Errors
/// `conflict`.
pub(super) fn still_at(place: &Place, base: Base) -> Result<()> {
    still_there(place, base)?;
    let (path, have) = (&place.path, place.object.version);
    if base.version == have {
        return Ok(());
    }
    let why = format!("{path} is at version {have}; the change is based on version {}", base.version);
    Err(Error::new(ErrorCode::Conflict, why).at(path))
}

pub(super) fn is_a_directory(path: &Path) -> Error {
    Error::new(ErrorCode::IsADirectory, format!("{path} is a directory")).at(path)
}

pub(super) fn not_a_directory(path: &Path) -> Error {
    Error::new(ErrorCode::NotADirectory, format!("{path} is not a directory")).at(path)
}

/// An entry and its object were read at different moments.
pub(super) fn changed(path: &Path) -> Error {
    Error::new(ErrorCode::Conflict, format!("{path} was changed while it was read")).at(path)
}
