//! What `#[emerge::class]` writes, called as a host calls it, without one.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use emerge::{Error, ErrorCode, Methods, Value, answer};
use emerge_proto::ClassHash;
use emerge_proto::module::{Reply, Request, reply};

/// A shelf.
#[emerge::class]
pub struct Shelf {
    /// What lies on it.
    #[default([])]
    pub items: Vec<String>,
    /// Where it hangs.
    pub r#type: Option<String>,
}

#[emerge::class]
#[allow(missing_docs, reason = "a class of this test alone")]
impl Shelf {
    pub fn put(&mut self, item: String) -> Result<u32, String> {
        if self.items.contains(&item) {
            return Err(format!("{item} is there"));
        }
        self.items.push(item);
        Ok(self.items.len() as u32)
    }

    pub fn others() -> Result<Value, Error> {
        emerge::fs::get("/other")
    }

    pub fn twin(&self) -> Value {
        emerge::object(Shelf { items: self.items.clone(), r#type: None })
    }

    #[skip]
    pub fn empty() -> Self {
        Shelf { items: Vec::new(), r#type: None }
    }

    fn hidden(&self) {}
}

fn call(method: &str, state: &[(&str, Value)], args: Vec<Value>) -> Result<(Value, Option<Value>), Error> {
    let state =
        Value::Map(state.iter().map(|(name, value)| ((*name).into(), value.clone())).collect()).encode();
    let args = Value::List(args).encode();
    let class = ClassHash([3; 16]);
    let request =
        Request { method, path: "/shelf", state: &state, args: &args, now_micros: 5, seed: 1, class };
    match reply(&answer::<Shelf>(&request.encode())).unwrap() {
        Reply::Returned { result, state } => {
            Ok((Value::decode(result).unwrap(), state.map(|state| Value::decode(state).unwrap())))
        }
        Reply::Failed(error) => Err(*error),
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

#[test]
fn a_call_is_answered() {
    let items = |items: &[&str]| Value::List(items.iter().map(|item| text(item)).collect());
    let (result, state) =
        call("put", &[("items", items(&["a"])), ("type", text("low"))], vec![text("b")]).unwrap();
    assert_eq!(result, Value::Int(2));
    assert_eq!(
        state,
        Some(Value::Map(vec![("items".into(), items(&["a", "b"])), ("type".into(), text("low"))]))
    );
    let (twin, state) = call("twin", &[("items", items(&["a"])), ("more", Value::Int(1))], vec![]).unwrap();
    assert_eq!(state, None);
    let fields = vec![("items".into(), items(&["a"])), ("type".into(), Value::Null)];
    assert_eq!(twin, Value::Object { class: ClassHash([3; 16]), fields });
}

#[test]
fn what_goes_wrong_is_an_error() {
    let there = Value::List(vec![text("a")]);
    let error = call("put", &[("items", there)], vec![text("a")]).unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (ErrorCode::MethodFailed, "a is there"));
    let error = call("put", &[("items", Value::Int(1))], vec![text("a")]).unwrap_err();
    assert_eq!((error.code, error.field.as_deref()), (ErrorCode::BadArgument, Some("items")));
    let error = call("put", &[], vec![]).unwrap_err();
    assert_eq!((error.code, error.field.as_deref()), (ErrorCode::BadArgument, Some("item")));
    let error = call("others", &[], vec![]).unwrap_err();
    assert_eq!(error.code, ErrorCode::Unsupported);
    for method in ["new", "hidden", "none"] {
        assert_eq!(call(method, &[], vec![]).unwrap_err().code, ErrorCode::MethodNotFound);
    }
    for spoilt in [&[][..], &[0x80], &[0x86, 0x61, b'f'], &[0xff]] {
        let answered = answer::<Shelf>(spoilt);
        assert!(matches!(reply(&answered), Ok(Reply::Failed(_))), "{spoilt:?}");
    }
}

#[test]
fn in_a_test_it_is_what_it_is() {
    let mut shelf = Shelf::empty();
    shelf.hidden();
    assert_eq!(shelf.put("a".into()), Ok(1));
    fn is_class<T: Methods>() {}
    is_class::<Shelf>();
}
