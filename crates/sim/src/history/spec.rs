//! The store as one object that does one thing at a time.

use fastrand::Rng;
use stateright::semantics::SequentialSpec;
use std::collections::BTreeMap;

/// A directory's and an object's name: few, so that concurrent operations meet.
pub(super) type Place = (&'static str, &'static str);

const DIRECTORIES: [&str; 3] = ["a", "b", "c"];
const NAMES: [&str; 3] = ["x", "y", "z"];

/// What a client does, each in one transaction.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Doing {
    Put(Place, u64),
    Get(Place),
    List(&'static str),
    /// Finds the objects that have a number, by an index.
    Find(u64),
    /// Reads all objects, directory after directory.
    All,
    /// Puts an object into a directory that has fewer than so many.
    PutIfFewer(Place, u64, usize),
    /// Lets two objects have each other's number.
    Swap(Place, Place),
    Move(Place, Place),
    MoveDirectory(&'static str, &'static str),
    Remove(Place),
}

/// What it came to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Came {
    Done(bool),
    Number(Option<u64>),
    Names(Vec<String>),
    Objects(Vec<(String, String, u64)>),
    /// What no operation here should come to.
    Failed(String),
}

impl Doing {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let directory = |rng: &mut Rng| DIRECTORIES[rng.usize(..DIRECTORIES.len())];
        let place = |rng: &mut Rng| (directory(rng), NAMES[rng.usize(..NAMES.len())]);
        match rng.u32(..14) {
            0 | 1 => Doing::Put(place(rng), rng.u64(..4)),
            2 => Doing::Get(place(rng)),
            3 => Doing::List(directory(rng)),
            4 => Doing::All,
            5..=7 => Doing::PutIfFewer(place(rng), rng.u64(..4), rng.usize(1..=2)),
            8 => Doing::Swap(place(rng), place(rng)),
            9 => Doing::Move(place(rng), place(rng)),
            10 => Doing::MoveDirectory(directory(rng), directory(rng)),
            11 | 12 => Doing::Find(rng.u64(..4)),
            _ => Doing::Remove(place(rng)),
        }
    }
}

/// Objects by directory and name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Files(BTreeMap<&'static str, BTreeMap<&'static str, u64>>);

impl Files {
    fn number(&self, (directory, name): Place) -> Option<u64> {
        self.0.get(directory)?.get(name).copied()
    }

    fn put(&mut self, (directory, name): Place, number: u64) {
        self.0.entry(directory).or_default().insert(name, number);
    }

    fn remove(&mut self, (directory, name): Place) -> Option<u64> {
        self.0.get_mut(directory)?.remove(name)
    }
}

impl SequentialSpec for Files {
    type Op = Doing;
    type Ret = Came;

    fn invoke(&mut self, doing: &Doing) -> Came {
        Came::Done(match *doing {
            Doing::Put(place, number) => {
                self.put(place, number);
                true
            }
            Doing::Get(place) => return Came::Number(self.number(place)),
            Doing::List(directory) => {
                let names = self.0.get(directory).into_iter().flat_map(BTreeMap::keys);
                return Came::Names(names.map(|name| (*name).to_owned()).collect());
            }
            Doing::Find(wanted) => {
                let all = self.0.iter().flat_map(|(directory, names)| {
                    names.iter().map(move |(name, number)| (format!("/{directory}/{name}"), *number))
                });
                return Came::Names(
                    all.filter(|(_, number)| *number == wanted).map(|(path, _)| path).collect(),
                );
            }
            Doing::All => {
                let objects = self.0.iter().flat_map(|(directory, names)| {
                    names.iter().map(|(name, number)| ((*directory).to_owned(), (*name).to_owned(), *number))
                });
                return Came::Objects(objects.collect());
            }
            Doing::PutIfFewer(place, number, most) => {
                let has_room = self.0.get(place.0).map_or(0, BTreeMap::len) < most;
                if has_room {
                    self.put(place, number);
                }
                has_room
            }
            Doing::Swap(one, other) => match (self.number(one), self.number(other)) {
                (Some(first), Some(second)) => {
                    self.put(one, second);
                    self.put(other, first);
                    true
                }
                _ => false,
            },
            Doing::Move(from, to) => {
                let is_free = self.0.contains_key(to.0) && self.number(to).is_none();
                match self.number(from) {
                    Some(number) if is_free => {
                        self.remove(from);
                        self.put(to, number);
                        true
                    }
                    _ => false,
                }
            }
            Doing::MoveDirectory(from, to) => {
                if self.0.contains_key(to) {
                    return Came::Done(false);
                }
                match self.0.remove(from) {
                    Some(members) => {
                        self.0.insert(to, members);
                        true
                    }
                    None => false,
                }
            }
            Doing::Remove(place) => self.remove(place).is_some(),
        })
    }
}
