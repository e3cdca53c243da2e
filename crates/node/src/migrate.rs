//! Migration: an object gets another class version, and its fields become what that declares.

use crate::call::open;
use crate::method_fs::Caller;
use crate::node::Node;
use emerge_engine::{Backend, ObjectForCall, Tx};
use emerge_proto::class::{Capture, Captured, MethodDecl};
use emerge_proto::record::{Called, ObjectType, Stat};
use emerge_proto::{
    ClassHash, ClassSource, ClassVersion, Error, ErrorCode, Language, ObjectId, Result, Value,
};
use std::collections::HashMap;
use std::sync::Arc;

/// The class that is made of a function, and its method.
const CLASS: &str = "Migration";
const METHOD: &str = "how";
/// What a Python class's own factories make, by a name that no method has.
const FACTORIES: &str = "<factories>";
/// The name under which a Python function stands there.
const FUNCTION: &str = "migration";

/// What a migration does to each object, found out once.
#[derive(Debug)]
pub(crate) struct Migration {
    class: ClassHash,
    lineage: Vec<Arc<ClassVersion>>,
    how: Option<How>,
    /// What the class's own factories make: defaults that are no values.
    factories: Option<How>,
    /// Versions of the classes that the new one uses: objects of them within the object become of these.
    within: Vec<Arc<ClassVersion>>,
    from: Option<String>,
}

/// What gives the new fields.
#[derive(Debug)]
struct How {
    lineage: Vec<Arc<ClassVersion>>,
    captured: Vec<Arc<ClassVersion>>,
    method: String,
}

impl Migration {
    /// Finds the class, and of a function makes what can be called.
    ///
    /// # Errors
    /// `class_not_found`; `class_invalid` when the function does not compile or uses names that are not there; `bad_argument`.
    pub(crate) async fn prepare<B: Backend>(
        node: &Node<B>,
        tx: &mut Tx<B>,
        class: ClassHash,
        how: Option<String>,
        from: Option<String>,
    ) -> Result<Self> {
        let lineage = tx.class(class).await?.to_vec();
        let how = match how {
            None => None,
            Some(how) if is_name(&how) => {
                if !lineage.iter().any(|class| class.methods.iter().any(|method| method.name == how)) {
                    let name = lineage.first().map_or("", |class| &class.source.name);
                    let why = format!(
                        "class {name:?} has no method {how:?}; how is a method of the new class, or a function"
                    );
                    return Err(Error::new(ErrorCode::MethodNotFound, why).field("how"));
                }
                let sources: Vec<&ClassSource> = lineage.iter().map(|class| &class.source).collect();
                let captured = tx.captured_by(&sources).await?;
                Some(How { lineage: lineage.clone(), captured, method: how })
            }
            Some(how) => {
                let language = lineage.first().map_or(Language::JavaScript, |class| class.source.language);
                let source = function_class(language, &how)?;
                let methods = node.runtime().analyse(&source, &[]).await?;
                let version = ClassVersion {
                    hash: source.hash(),
                    class_id: ObjectId([0; 16]),
                    version: 1,
                    // Whoever gives the function answers for it.
                    owner: tx.principal().user.clone(),
                    created: 0,
                    source,
                    methods,
                };
                Some(How {
                    lineage: vec![Arc::new(version)],
                    captured: Vec::new(),
                    method: METHOD.to_owned(),
                })
            }
        };
        let sources: Vec<&ClassSource> = lineage.iter().map(|class| &class.source).collect();
        let within = tx.captured_by(&sources).await?;
        let has_more =
            lineage.iter().flat_map(|class| &class.source.fields).any(|field| field.default.is_none());
        let factories = match lineage.first() {
            Some(newest) if newest.source.language == Language::Python && has_more => {
                let mut called = vec![Arc::new(having_factories(newest))];
                called.extend(lineage.iter().skip(1).cloned());
                Some(How { lineage: called, captured: within.clone(), method: FACTORIES.to_owned() })
            }
            _ => None,
        };
        Ok(Self { class, lineage, how, factories, within, from })
    }

    /// Whether a member of a directory is taken.
    pub(crate) async fn takes<B: Backend>(&self, node: &Node<B>, member: &Stat) -> Result<bool> {
        let Some(hash) = member.class_hash.filter(|_| member.kind == ObjectType::Object) else {
            return Ok(false);
        };
        if hash == self.class {
            return Ok(false);
        }
        if let Some(from) = &self.from {
            return Ok(member.class.as_ref() == Some(from));
        }
        let lineage = node.engine().class(hash).await?;
        let id = |lineage: &[Arc<ClassVersion>]| lineage.first().map(|class| class.class_id);
        Ok(id(&lineage) == id(&self.lineage))
    }

    /// Migrates one object.
    pub(crate) async fn migrate<B: Backend>(
        &self,
        caller: &Caller<'_, B>,
        mut object: ObjectForCall,
    ) -> Result<Called> {
        let nothing = Value::Null.encode();
        if object.class == self.class {
            return Ok(Called { result: nothing, version: None, log: None });
        }
        let old = std::mem::take(&mut object.state);
        let fields = match &self.how {
            Some(how) => how.fields(caller, &object, old).await?,
            None => fields_of(Value::decode(&old)?).unwrap_or_default(),
        };
        let fields = match &self.factories {
            Some(factories) => factories.made(caller, &object, fields).await?,
            None => fields,
        };
        let fields = self.completed(fields).map_err(|error| error.at(&object.path))?;
        let state = self.with_versions(caller.attempt.node(), fields).await?.encode();
        let stored = open(&mut *caller.lock().await)?.migrate(&object, self.class, &state).await?;
        Ok(Called { result: nothing, version: Some(stored.version), log: None })
    }

    /// The fields, with the objects in them as of the versions that the new class uses: where it asks what they are, they are what it means.
    async fn with_versions<B: Backend>(&self, node: &Node<B>, fields: Vec<(String, Value)>) -> Result<Value> {
        let mut fields = Value::Map(fields);
        let mut versions: HashMap<ClassHash, Option<ClassHash>> = HashMap::new();
        objects_in(&mut fields, &mut |class| {
            versions.insert(*class, None);
        });
        for (class, newer) in &mut versions {
            let lineage = node.engine().class(*class).await?;
            let is_same = |used: &&Arc<ClassVersion>| {
                lineage.first().is_some_and(|known| known.class_id == used.class_id)
            };
            let mut used = self.within.iter().filter(is_same);
            // Of several it is not known which is meant.
            let meant = used.next().filter(|_| used.next().is_none());
            *newer = self.lineage.iter().find(is_same).or(meant).map(|used| used.hash);
        }
        objects_in(&mut fields, &mut |class| {
            if let Some(Some(newer)) = versions.get(class) {
                *class = *newer;
            }
        });
        Ok(fields)
    }

    /// The fields with those that the class declares besides.
    fn completed(&self, mut fields: Vec<(String, Value)>) -> Result<Vec<(String, Value)>> {
        for declared in self.lineage.iter().rev().flat_map(|class| &class.source.fields) {
            if fields.iter().any(|(name, _)| *name == declared.name) {
                continue;
            }
            // That of the nearest class, though the order is that of the farthest.
            let mut nearest = self.lineage.iter().flat_map(|class| &class.source.fields);
            let nearest = nearest.find(|other| other.name == declared.name).unwrap_or(declared);
            let Some(default) = &nearest.default else {
                let why = format!(
                    "the field {:?} is new and has no default: say how, by a function that gives the new fields",
                    declared.name
                );
                return Err(Error::new(ErrorCode::BadArgument, why).field(&*declared.name));
            };
            fields.push((declared.name.clone(), Value::decode(default)?));
        }
        Ok(fields)
    }
}

impl How {
    /// The fields with those that the class's own factories make; where a field has none, or a default that is a value, it stays away.
    async fn made<B: Backend>(
        &self,
        caller: &Caller<'_, B>,
        object: &ObjectForCall,
        fields: Vec<(String, Value)>,
    ) -> Result<Vec<(String, Value)>> {
        let missing: Vec<Value> = self
            .lineage
            .iter()
            .flat_map(|class| &class.source.fields)
            .filter(|declared| {
                declared.default.is_none() && fields.iter().all(|(name, _)| *name != declared.name)
            })
            .map(|declared| Value::Text(declared.name.clone()))
            .collect();
        if missing.is_empty() {
            return Ok(fields);
        }
        let state = Value::Map(fields).encode();
        let call = emerge_runtime::Call {
            path: object.path.clone(),
            state: state.clone(),
            method: self.method.clone(),
            args: Value::List(missing).encode(),
            ..caller.attempt.request(self.lineage.clone(), self.captured.clone(), None)
        };
        let fs = caller.fs(&call, &object.owner).await?;
        let returned = caller.attempt.node().runtime().call(call, fs).await?;
        Ok(fields_of(Value::decode(&returned.state.unwrap_or(state))?).unwrap_or_default())
    }

    /// The new fields for the old ones. A method that gives nothing has changed its object, which began with the old fields.
    async fn fields<B: Backend>(
        &self,
        caller: &Caller<'_, B>,
        object: &ObjectForCall,
        old: Vec<u8>,
    ) -> Result<Vec<(String, Value)>> {
        let args = Value::List(vec![Value::decode(&old)?]).encode();
        let call = emerge_runtime::Call {
            path: object.path.clone(),
            state: old.clone(),
            method: self.method.clone(),
            args,
            ..caller.attempt.request(self.lineage.clone(), self.captured.clone(), None)
        };
        let fs = caller.fs(&call, &object.owner).await?;
        let returned = caller.attempt.node().runtime().call(call, fs).await?;
        let given = match Value::decode(&returned.result)? {
            Value::Null => Value::decode(&returned.state.unwrap_or(old))?,
            given => given,
        };
        let kind = given.type_name();
        fields_of(given).ok_or_else(|| {
            let why = format!("{}() gave a {kind} and not the new fields", self.method);
            Error::new(ErrorCode::BadArgument, why).at(&object.path).field("how")
        })
    }
}

/// Goes to each object within a value.
fn objects_in(value: &mut Value, see: &mut dyn FnMut(&mut ClassHash)) {
    match value {
        Value::List(items) | Value::Set(items) => items.iter_mut().for_each(|item| objects_in(item, see)),
        Value::Map(fields) => fields.iter_mut().for_each(|(_, field)| objects_in(field, see)),
        Value::Object { class, fields } => {
            see(class);
            fields.iter_mut().for_each(|(_, field)| objects_in(field, see));
        }
        Value::Table { rows, .. } => rows.iter_mut().flatten().for_each(|cell| objects_in(cell, see)),
        _ => {}
    }
}

fn fields_of(value: Value) -> Option<Vec<(String, Value)>> {
    match value {
        Value::Map(fields) | Value::Object { fields, .. } => Some(fields),
        _ => None,
    }
}

fn is_name(how: &str) -> bool {
    let good = |char: char| char.is_alphanumeric() || char == '_' || char == '$';
    !how.is_empty() && how.chars().all(good) && !how.starts_with(|char: char| char.is_ascii_digit())
}

/// A class version as it is called for what its factories make.
fn having_factories(class: &ClassVersion) -> ClassVersion {
    let factories = MethodDecl {
        name: FACTORIES.to_owned(),
        params: Vec::new(),
        doc: None,
        is_async: false,
        is_static: false,
        is_property: false,
        returns: None,
    };
    let mut class = class.clone();
    class.methods.push(factories);
    class
}

/// A class with one static method, which is the function.
fn function_class(language: Language, how: &str) -> Result<ClassSource> {
    let (source, captures) = match language {
        Language::JavaScript => (
            format!(
                "class {CLASS} extends EmergeObject {{ static {METHOD}(old) {{ return (\n{how}\n)(old); }} }}"
            ),
            None,
        ),
        Language::Python => {
            let how = how.trim_end();
            let named = how.strip_prefix("def ").and_then(|rest| rest.split_once('('));
            let text = match named {
                Some((name, _)) => format!("{how}\n{FUNCTION} = {}\n", name.trim()),
                None => format!("{FUNCTION} = (\n{how}\n)\n"),
            };
            let captures = vec![
                Capture { name: "emerge".into(), what: Captured::Module("emerge".into()) },
                Capture { name: FUNCTION.into(), what: Captured::Source(text) },
            ];
            let source = format!(
                "class {CLASS}(emerge.Object):\n    @staticmethod\n    def {METHOD}(old):\n        return {FUNCTION}(old)\n"
            );
            (source, Some(captures))
        }
        Language::Wasm => {
            return Err(
                Error::new(ErrorCode::Unsupported, "a class in wasm has no functions by source").field("how")
            );
        }
    };
    let source = ClassSource { captures, ..ClassSource::new(CLASS, language, source) };
    source.check()?;
    Ok(source)
}
