//! Arguments by name of a JavaScript method, which has none: they go to the places of their parameters.

use emerge_proto::value::raw;
use emerge_proto::{ClassVersion, Error, ErrorCode, Result, Value};
use std::sync::Arc;

/// Arguments by place, and the places among them at which nothing was given: there a parameter has its default.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) args: Vec<u8>,
    pub(crate) holes: Vec<u8>,
}

/// Finds the places of arguments by name.
///
/// # Errors
/// `bad_argument` with the method's signature, naming the argument.
pub(crate) fn placed(
    lineage: &[Arc<ClassVersion>],
    name: &str,
    args: &[u8],
    kwargs: &[u8],
) -> Result<Placed> {
    let method = lineage.iter().flat_map(|class| &class.methods).find(|method| method.name == name);
    let Some(method) = method else {
        return Err(Error::new(ErrorCode::MethodNotFound, format!("there is no method {name:?}")).field(name));
    };
    let Value::List(args) = Value::decode(args)? else {
        return Err(Error::new(ErrorCode::BadArgument, "the arguments must be a list").field("args"));
    };
    let mut given: Vec<Option<Value>> = args.into_iter().map(Some).collect();
    for entry in raw::entries(kwargs)? {
        let (name, value) = entry?;
        let place = method.params.iter().position(|param| param.name == *name);
        let Some(place) = place.filter(|place| *place <= usize::from(u8::MAX)) else {
            return Err(method.misuse(&format!("has no parameter of the name {name:?}"), &name));
        };
        if given.len() <= place {
            given.resize(place + 1, None);
        }
        if given[place].replace(Value::decode(value)?).is_some() {
            return Err(method.misuse(&format!("was given twice the argument {name:?}"), &name));
        }
    }
    let holes =
        given.iter().enumerate().filter(|(_, value)| value.is_none()).map(|(at, _)| at as u8).collect();
    let args = given.into_iter().map(|value| value.unwrap_or(Value::Null)).collect();
    Ok(Placed { args: Value::List(args).encode(), holes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use emerge_proto::{ClassHash, ClassSource, Language, MethodDecl, ObjectId, ParamDecl};

    fn lineage() -> Vec<Arc<ClassVersion>> {
        let param = |name: &str, default: Option<&str>| ParamDecl {
            name: name.into(),
            default: default.map(str::to_owned),
            kind: None,
        };
        let method = MethodDecl {
            name: "m".into(),
            params: vec![
                param("a", None),
                param("b", Some("2")),
                param("c", Some("3")),
                param("...rest", None),
            ],
            doc: None,
            is_async: false,
            is_static: false,
            is_property: false,
            returns: None,
        };
        let source = ClassSource {
            name: "A".into(),
            language: Language::JavaScript,
            source: String::new(),
            bases: vec![],
            fields: vec![],
            doc: None,
            captures: None,
            module: None,
        };
        let (hash, class_id) = (ClassHash([0; 16]), ObjectId([0; 16]));
        vec![Arc::new(ClassVersion {
            hash,
            class_id,
            version: 1,
            owner: "ada".into(),
            created: 0,
            source,
            methods: vec![method],
        })]
    }

    fn place(args: &[i64], kwargs: &[(&str, i64)]) -> Result<Placed> {
        let args = Value::List(args.iter().copied().map(Value::Int).collect()).encode();
        let kwargs = kwargs.iter().map(|(name, value)| ((*name).to_owned(), Value::Int(*value))).collect();
        placed(&lineage(), "m", &args, &Value::Map(kwargs).encode())
    }

    #[test]
    fn names_find_their_places() {
        let ints = |values: &[Option<i64>]| {
            Value::List(values.iter().map(|value| value.map_or(Value::Null, Value::Int)).collect()).encode()
        };
        assert_eq!(
            place(&[1], &[("c", 5)]).unwrap(),
            Placed { args: ints(&[Some(1), None, Some(5)]), holes: vec![1] }
        );
        assert_eq!(
            place(&[], &[("b", 5), ("a", 4)]).unwrap(),
            Placed { args: ints(&[Some(4), Some(5)]), holes: vec![] }
        );
        for (args, kwargs, words) in [
            (&[1][..], &[("a", 2)][..], "given twice the argument \"a\""),
            (&[], &[("d", 2)], "no parameter of the name \"d\""),
            (&[], &[("rest", 2)], "no parameter of the name \"rest\""),
        ] {
            let error = place(args, kwargs).unwrap_err();
            assert_eq!((error.code, error.field.as_deref()), (ErrorCode::BadArgument, Some(kwargs[0].0)));
            assert!(
                error.message.contains(words) && error.message.ends_with("m(a, b = 2, c = 3, ...rest)"),
                "{error}"
            );
        }
    }
}
