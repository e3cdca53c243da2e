//! Asking a search's function in the sandbox: many objects in one call.
//!
//! The function is made a part of a class that nobody stores, and that class's method asks it of each object. It has no file system: a search reads what it is
//! given and nothing else.

use super::Place;
use crate::node::Node;
use emerge_engine::{Backend, Candidate};
use emerge_proto::class::{Capture, Captured, encode};
use emerge_proto::record::{ClassInfo, Stat};
use emerge_proto::value::raw;
use emerge_proto::{
    ClassSource, ClassVersion, Error, ErrorCode, Language, MethodDecl, ObjectId, Op, Query, Result, Value,
};
use emerge_runtime::{BoxFuture, Call, Fs};
use std::sync::Arc;

/// Objects that one call is asked about.
const BATCH: usize = 500;
/// Bytes of their states.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// The name of the class.
const NAME: &str = "Search";
/// The method that asks the function.
const METHOD: &str = "run";

/// A function as the sandbox takes it.
pub(super) struct Sandboxed {
    class: Arc<ClassVersion>,
    /// The arguments after the objects, encoded.
    rest: Vec<Vec<u8>>,
    user: String,
}

impl Sandboxed {
    pub(super) fn new(query: &Query, source: &str, user: &str) -> Self {
        let empty = || raw::EMPTY.to_vec();
        let params = query.params.clone().unwrap_or_else(empty);
        let (text, captures, rest) = match query.language {
            Language::Python => {
                let mut captures =
                    vec![Capture { name: "emerge".into(), what: Captured::Module("emerge".into()) }];
                captures.extend(query.captures.iter().flatten().cloned());
                let values = query.values.clone().unwrap_or_else(empty);
                (
                    PYTHON.to_owned(),
                    Some(captures),
                    vec![params, values, Value::Text(source.to_owned()).encode()],
                )
            }
            // The source is a part of the class, so that what is wrong with it is told with its line, and free names by name.
            _ => (JAVASCRIPT.replace("FUNCTION", source), None, vec![params]),
        };
        let source = ClassSource { captures, ..ClassSource::new(NAME, query.language, text) };
        let run = MethodDecl {
            name: METHOD.into(),
            params: Vec::new(),
            doc: None,
            is_async: false,
            is_static: true,
            is_property: false,
            returns: None,
        };
        let class = ClassVersion {
            hash: source.hash(),
            class_id: ObjectId([0; 16]),
            version: 1,
            owner: user.to_owned(),
            created: 0,
            source,
            methods: vec![run],
        };
        Self { class: Arc::new(class), rest, user: user.to_owned() }
    }

    /// Sees that the function compiles, and names nothing that it cannot see.
    ///
    /// # Errors
    /// `bad_argument`, with the name in `field`.
    pub(super) async fn check<B: Backend>(&self, place: &Place<'_, B>) -> Result<()> {
        if self.class.source.language == Language::JavaScript {
            place.node.runtime().analyse_search(&self.class.source).await.map_err(refused)?;
        }
        self.call(place, &[]).await.map(|_| ()).map_err(refused)
    }

    /// What the function says of each object.
    pub(super) async fn ask<B: Backend>(
        &self,
        place: &Place<'_, B>,
        states: Vec<Vec<u8>>,
    ) -> Result<Vec<Result<bool>>> {
        let mut answers = Vec::with_capacity(states.len());
        let mut rest = &states[..];
        while !rest.is_empty() {
            let mut bytes = 0;
            let fit = |state: &&Vec<u8>| {
                bytes += state.len();
                bytes <= BATCH_BYTES
            };
            let count = rest.iter().take(BATCH).take_while(fit).count().max(1);
            let (batch, later) = rest.split_at(count);
            match self.call(place, batch).await {
                Ok(said) => answers.extend(said),
                Err(error) if stops(&error) => return Err(error),
                // One of them cannot even be given to the function: it alone fails.
                Err(error) if count == 1 => answers.push(Err(error)),
                Err(_) => {
                    for state in batch.chunks(1) {
                        match self.call(place, state).await {
                            Ok(said) => answers.extend(said),
                            Err(error) if stops(&error) => return Err(error),
                            Err(error) => answers.push(Err(error)),
                        }
                    }
                }
            }
            rest = later;
        }
        Ok(answers)
    }

    async fn call<B: Backend>(&self, place: &Place<'_, B>, states: &[Vec<u8>]) -> Result<Vec<Result<bool>>> {
        let mut args = Vec::with_capacity(states.iter().map(Vec::len).sum::<usize>() + 64);
        list(1 + self.rest.len(), &mut args);
        list(states.len(), &mut args);
        states.iter().chain(&self.rest).for_each(|part| args.extend_from_slice(part));
        let options = place.node.options();
        let call = Call {
            lineage: vec![self.class.clone()],
            captured: self.captured(place).await?,
            path: "/".into(),
            state: raw::EMPTY.to_vec(),
            method: METHOD.into(),
            args,
            kwargs: None,
            is_query: false,
            user: self.user.clone(),
            now_micros: place.now,
            seed: place.node.seed(),
            deadline: options.call_deadline,
            memory: options.call_memory,
            log: false,
        };
        let returned = place.node.runtime().call(call, Arc::new(ClassesOnly(place.node.clone()))).await;
        let returned = returned.map_err(|mut error| {
            error.path = None;
            error
        })?;
        let strange =
            || Error::new(ErrorCode::Internal, "what the sandbox said of a search could not be read");
        let Value::List(said) = Value::decode(&returned.result)? else { return Err(strange()) };
        if said.len() != states.len() {
            return Err(strange());
        }
        said.into_iter()
            .map(|said| match said {
                Value::Bool(said) => Ok(Ok(said)),
                Value::Text(message) => Ok(Err(Error::new(ErrorCode::MethodFailed, message))),
                _ => Err(strange()),
            })
            .collect()
    }

    /// The stored classes that the function uses.
    async fn captured<B: Backend>(&self, place: &Place<'_, B>) -> Result<Vec<Arc<ClassVersion>>> {
        if self.class.source.captures.as_ref().is_none_or(|captures| captures.len() < 2) {
            return Ok(Vec::new());
        }
        place
            .node
            .begin(&emerge_engine::Principal::admin(), place.now)
            .captured_by(&[&self.class.source])
            .await
    }
}

/// An error after which the search cannot go on.
fn stops(error: &Error) -> bool {
    !matches!(error.code, ErrorCode::UnmappableValue | ErrorCode::MethodFailed | ErrorCode::ClassNotFound)
}

/// An error of the class, as one of the function.
fn refused(error: Error) -> Error {
    let code = match error.code {
        ErrorCode::ClassInvalid | ErrorCode::MethodFailed => ErrorCode::BadArgument,
        other => other,
    };
    let message = match (&error.field, error.code) {
        (Some(name), ErrorCode::ClassInvalid) if **name == *"fs" => {
            "the function uses fs, and the function of a search has no file system".to_owned()
        }
        (Some(name), ErrorCode::ClassInvalid) => format!(
            "the function uses {name}, which is none of its parameters: what surrounds a function does not travel with it. Give {name} to the search as a \
             parameter: (o, p) => … p.{name}"
        ),
        _ => format!("the search's function: {}", error.message),
    };
    let field = error.field.clone().unwrap_or_else(|| "source".into());
    Error { code, message, field: Some(field), path: None, ..error }
}

/// What is said of an object that lacks a field; the function itself says it in these words.
pub(super) fn missing(field: &str) -> Error {
    Error::new(ErrorCode::MethodFailed, format!("AttributeError: the object has no field '{field}'"))
        .field(field)
}

/// The head of a list.
fn list(count: usize, out: &mut Vec<u8>) {
    out.push(0x9a);
    out.extend_from_slice(&(count as u32).to_be_bytes());
}

/// Whether a function that is not read natively may ask for the properties.
pub(super) fn names_meta(query: &Query) -> bool {
    query.source.as_ref().is_some_and(|source| source.contains("meta"))
}

/// A state with the object's properties among its fields.
pub(super) fn with_meta(state: &[u8], meta: Option<&Value>) -> Result<Vec<u8>> {
    let Some(meta) = meta else { return Ok(state.to_vec()) };
    let meta = meta.encode();
    let mut entries = raw::entries(state)?.collect::<Result<Vec<_>>>()?;
    entries.retain(|(name, _)| name != "meta");
    entries.push(("meta".into(), &meta));
    Ok(raw::build(&entries))
}

/// What `meta` has in the function. Python calls the class `class_name`.
pub(super) const PROPERTIES: [&str; 14] = [
    "path",
    "name",
    "id",
    "type",
    "class",
    "class_version",
    "owner",
    "group",
    "perms",
    "version",
    "created",
    "modified",
    "size",
    "node",
];

/// An object's property; none of a name that is not among [`PROPERTIES`].
pub(super) fn property(name: &str, candidate: &Candidate, stat: &Stat) -> Option<Value> {
    let text = |text: &str| Value::Text(text.to_owned());
    let number = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    Some(match name {
        "path" => text(&candidate.path()),
        "name" => text(&stat.name),
        "id" => text(&stat.id.to_string()),
        "type" => text(stat.kind.as_str()),
        "class" => stat.class.as_deref().map_or(Value::Null, text),
        "class_version" => stat.class_version.map_or(Value::Null, number),
        "owner" => text(&stat.owner),
        "group" => text(&stat.group),
        "perms" => text(&stat.perms.to_string()),
        "version" => number(stat.version),
        "created" => Value::DateTime(stat.created),
        "modified" => Value::DateTime(stat.modified),
        "size" => number(stat.size),
        "node" => text(&stat.node),
        _ => return None,
    })
}

/// An object's properties, as the function sees them.
pub(super) fn meta(language: Language, candidate: &Candidate, stat: &Stat) -> Value {
    let named = |name: &str| match (name, language) {
        ("class", Language::Python) => "class_name".to_owned(),
        ("class_version", Language::JavaScript) => "classVersion".to_owned(),
        (name, _) => name.to_owned(),
    };
    let entries = PROPERTIES.iter().filter_map(|name| Some((named(name), property(name, candidate, stat)?)));
    Value::Map(entries.collect())
}

/// A file system that knows classes, which embedded objects need to be shown, and nothing else.
struct ClassesOnly<B: Backend>(Node<B>);

impl<B: Backend> Fs for ClassesOnly<B> {
    fn request(&self, op: Op) -> BoxFuture<'_, Result<Vec<u8>>> {
        Box::pin(async move {
            let Op::Class { path: None, hash: Some(hash), name: None } = op else {
                return Err(Error::new(
                    ErrorCode::Unsupported,
                    format!("the function of a search has no file system; it asked for {:?}", op.name()),
                ));
            };
            let lineage = self.0.engine().class(hash).await?;
            Ok(encode(&ClassInfo { lineage: lineage.iter().map(|class| (**class).clone()).collect() }))
        })
    }
}

const JAVASCRIPT: &str = r#"class Search extends EmergeObject {
  static wanted = (
FUNCTION
  );

  // The function stands outside of this, so that none of these names means anything in it.
  static run(objects, params) {
    const test = Search.wanted;
    return objects.map((object) => {
      try {
        const said = test(object, params);
        if (said instanceof Promise) throw new TypeError("the function is async");
        return said ? true : false;
      } catch (thrown) {
        return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : `Error: ${String(thrown)}`;
      }
    });
  }
}"#;

const PYTHON: &str = r#"class Search(emerge.Object):
    class Fields:
        def __init__(self, fields):
            self.__dict__.update(fields)
            if "meta" in fields:
                self.__dict__["meta"] = Search.Meta(fields["meta"])

        def __getattr__(self, name):
            raise AttributeError(f"the object has no field {name!r}")

        @property
        def __class__(self):
            raise TypeError("a search sees an object's fields and not its class: give it class_=, which takes those that inherit too")

    class Meta:
        def __init__(self, fields):
            self.__dict__.update(fields)

    class Params(dict):
        def __getattr__(self, name):
            try:
                return self[name]
            except KeyError:
                raise AttributeError(f"there is no parameter {name!r}") from None

    @staticmethod
    def run(objects, params, values, source):
        space = {**globals(), **values}
        if source.lstrip().startswith("def "):
            exec(source.strip(), space)
            test = space[source.lstrip()[4:].partition("(")[0].strip()]
        else:
            test = eval(f"(\n{source.strip()}\n)", space)
        if test.__code__.co_argcount - len(test.__defaults__ or ()) > 1:
            given = (Search.Params(params),)
        else:
            given = ()
        said = []
        for fields in objects:
            try:
                answer = test(Search.Fields(fields), *given)
                if hasattr(answer, "__await__"):
                    raise TypeError("the function is async")
                said.append(bool(answer))
            except Exception as error:
                said.append(f"{type(error).__name__}: {error}")
        return said
"#;
