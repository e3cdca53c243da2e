//! Mixing two objects: a class that inherits from both their classes, and an object of it with the fields of both.
//!
//! The order is that of Python: what the first has counts, then what the second has; a class that both inherit from comes after both.

use crate::call::analyse_in;
use crate::node::Node;
use emerge_engine::{Backend, Tx};
use emerge_proto::class::{BaseRef, encode};
use emerge_proto::op::{StoreMode, Target};
use emerge_proto::record::{Clash, Mixed};
use emerge_proto::value::raw;
use emerge_proto::version::ClassAt;
use emerge_proto::{
    ClassSource, ClassVersion, Error, ErrorCode, Fetched, FieldDecl, Language, MethodDecl, Result,
};
use std::sync::Arc;

type Lineage = [Arc<ClassVersion>];

/// Mixes two objects; the encoded [`Mixed`].
///
/// # Errors
/// `class_invalid` when there can be no such class: both are of one class, or of different languages, the second inherits from the first, a field of one is
/// a method of the other, the new class would inherit from itself. As `get` for both, and as `store` for what is made.
pub(crate) async fn mixin<B: Backend>(
    node: &Node<B>,
    tx: &mut Tx<B>,
    first: &Target,
    second: &Target,
    to: &str,
    name: Option<&str>,
) -> Result<Vec<u8>> {
    let one = object(tx, first).await?;
    let two = object(tx, second).await?;
    let (Some(one_class), Some(two_class)) = (one.stat.class_hash, two.stat.class_hash) else {
        return Err(invalid("an object without a class cannot be mixed".into()));
    };
    let a = tx.class(one_class).await?;
    let b = tx.class(two_class).await?;
    let source = class_of(&a, &b, name)?;
    let (state, mut clashes) = fields(&one.state, &two.state, &a, &b)?;
    clashes.extend(methods(&a, &b));
    source.check()?;
    let analysed = analyse_in(node, tx, &source).await?;
    let class = tx.put_class(source, analysed).await?;
    let stored = tx.store(&Target::from(to), class.hash, &state, StoreMode::Create, None, &[]).await?;
    let class = ClassAt { name: class.source.name, version: class.version, hash: class.hash };
    Ok(encode(&Mixed { stored, class, clashes }))
}

async fn object<B: Backend>(tx: &mut Tx<B>, target: &Target) -> Result<Fetched> {
    let fetched = tx.get(target, None).await?;
    if let (Some(part), Some(path)) = (&fetched.part, &fetched.path) {
        let why = format!("{path}#{part} is a value and no object of its own");
        return Err(Error::new(ErrorCode::BadArgument, why).at(path).field(&**part));
    }
    if fetched.stat.class_hash.is_none() {
        let error = Error::new(ErrorCode::IsADirectory, "a directory has no fields to mix");
        return Err(match target {
            Target::Path(path) => error.at(path),
            Target::Id(id) => error.at(id),
            Target::ResultOf(_) => error,
        });
    }
    Ok(fetched)
}

#[cold]
fn invalid(why: String) -> Error {
    Error::new(ErrorCode::ClassInvalid, why)
}

fn name_of(lineage: &Lineage) -> &str {
    lineage.first().map_or("", |class| &class.source.name)
}

/// The class that inherits from both.
fn class_of(a: &Lineage, b: &Lineage, name: Option<&str>) -> Result<ClassSource> {
    let (Some(first), Some(second)) = (a.first(), b.first()) else {
        return Err(invalid("an object without a class cannot be mixed".into()));
    };
    let (one, two) = (&first.source, &second.source);
    if one.language != two.language {
        return Err(invalid(format!(
            "{} is in {} and {} in {}: only classes of one language can be mixed",
            one.name,
            one.language.as_str(),
            two.name,
            two.language.as_str()
        )));
    }
    if first.class_id == second.class_id {
        return Err(invalid(format!("both objects are of class {}: there is nothing to mix", one.name)));
    }
    if b.iter().any(|class| class.class_id == first.class_id) {
        return Err(invalid(format!(
            "{} inherits from {} already: give it first, so that what it overrides counts",
            two.name, one.name
        )));
    }
    let name = name.map_or_else(|| format!("{}{}", one.name, two.name), str::to_owned);
    if let Some(base) = a.iter().chain(b).find(|class| class.source.name == name) {
        let why = format!(
            "a class {name:?} that inherits from {:?} would inherit from itself: give another name",
            base.source.name
        );
        return Err(invalid(why).field("name"));
    }
    let names =
        [one.name.clone(), if two.name == one.name { format!("{}_2", two.name) } else { two.name.clone() }];
    let (source, fields) = match one.language {
        Language::Python => (format!("class {name}({}, {}):\n    pass\n", names[0], names[1]), Vec::new()),
        Language::JavaScript => {
            let declared = |lineage: &Lineage| -> Vec<FieldDecl> {
                lineage.iter().rev().flat_map(|class| class.source.fields.clone()).collect()
            };
            let known = declared(a);
            let fields =
                declared(b).into_iter().filter(|field| !known.iter().any(|other| other.name == field.name));
            let mut own: Vec<FieldDecl> = Vec::new();
            for field in fields {
                own.retain(|other| other.name != field.name);
                own.push(field);
            }
            (format!("class {name} extends {} {{}}", names[0]), own)
        }
        Language::Wasm => return Err(invalid("classes in wasm cannot be mixed".into())),
    };
    if let Some(name) = a_field_is_a_method(a, b).or_else(|| a_field_is_a_method(b, a)) {
        let why =
            format!("{name:?} is a field of one of {} and {} and a method of the other", one.name, two.name);
        return Err(invalid(why).field(name));
    }
    let bases = vec![
        BaseRef { name: names[0].clone(), hash: first.hash },
        BaseRef { name: names[1].clone(), hash: second.hash },
    ];
    let doc = Some(format!("{} and {}, mixed.", one.name, two.name));
    // Python's record says what the source says, and that has no doc.
    let doc = doc.filter(|_| one.language == Language::JavaScript);
    Ok(ClassSource {
        name,
        language: one.language,
        source,
        bases,
        fields,
        doc,
        captures: None,
        module: None,
        requires: None,
    })
}

fn a_field_is_a_method(fields: &Lineage, methods: &Lineage) -> Option<String> {
    let is_method =
        |name: &str| methods.iter().any(|class| class.methods.iter().any(|method| method.name == name));
    let mut names = fields.iter().flat_map(|class| &class.source.fields).map(|field| &field.name);
    names.find(|name| is_method(name)).cloned()
}

/// The fields of both, and the names that both have.
fn fields(first: &[u8], second: &[u8], a: &Lineage, b: &Lineage) -> Result<(Vec<u8>, Vec<Clash>)> {
    let mut mixed = raw::entries(first)?.collect::<Result<Vec<_>>>()?;
    let mut clashes = Vec::new();
    for entry in raw::entries(second)? {
        let (name, value) = entry?;
        if mixed.iter().any(|(known, _)| *known == name) {
            clashes.push(Clash {
                name: name.into_owned(),
                is_method: false,
                kept: name_of(a).to_owned(),
                hidden: name_of(b).to_owned(),
            });
        } else {
            mixed.push((name, value));
        }
    }
    Ok((raw::build(&mixed), clashes))
}

/// The methods that both have, each from another class.
fn methods(a: &Lineage, b: &Lineage) -> Vec<Clash> {
    let mut clashes: Vec<Clash> = Vec::new();
    for (kept, method) in all_methods(a) {
        let other = all_methods(b).into_iter().find(|(_, other)| other.name == method.name);
        let Some((hidden, _)) = other.filter(|(class, _)| class.hash != kept.hash) else { continue };
        // A class that both inherit from comes after both: what overrides it counts.
        let shared = b.iter().any(|class| class.hash == kept.hash);
        let (kept, hidden) = if shared { (hidden, kept) } else { (kept, hidden) };
        clashes.push(Clash {
            name: method.name.clone(),
            is_method: true,
            kept: kept.source.name.clone(),
            hidden: hidden.source.name.clone(),
        });
    }
    clashes
}

/// The methods of a lineage with the class that each is of; a nearer one hides a farther one.
fn all_methods(lineage: &Lineage) -> Vec<(&ClassVersion, &MethodDecl)> {
    let mut found: Vec<(&ClassVersion, &MethodDecl)> = Vec::new();
    for class in lineage {
        for method in &class.methods {
            if !found.iter().any(|(_, known)| known.name == method.name) {
                found.push((class, method));
            }
        }
    }
    found
}
