//! What a class says that it requires.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use emerge_proto::class::{decode, encode};
use emerge_proto::{ClassSource, ErrorCode, Language, limits};

fn requiring(language: Language, packages: &[&str]) -> ClassSource {
    let requires = Some(packages.iter().map(|package| (*package).to_owned()).collect());
    ClassSource { requires, ..ClassSource::new("A", language, "class A(emerge.Object): pass") }
}

#[test]
fn packages_are_names_without_doubles_in_python() {
    requiring(Language::Python, &["pandas", "scipy.stats", "_x1"]).check().unwrap();
    for (packages, language, code) in [
        (vec![], Language::Python, ErrorCode::ClassInvalid),
        (vec!["pandas", "pandas"], Language::Python, ErrorCode::ClassInvalid),
        (vec!["../pandas"], Language::Python, ErrorCode::ClassInvalid),
        (vec!["pandas."], Language::Python, ErrorCode::ClassInvalid),
        (vec![""], Language::Python, ErrorCode::ClassInvalid),
        (vec!["1a"], Language::Python, ErrorCode::ClassInvalid),
        (vec!["pändas"], Language::Python, ErrorCode::ClassInvalid),
        (vec!["pandas"], Language::JavaScript, ErrorCode::Unsupported),
    ] {
        let error = requiring(language, &packages).check().unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (code, Some("requires")), "{packages:?}");
    }
    let many: Vec<String> = (0..=limits::MAX_PACKAGES).map(|number| format!("p{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(requiring(Language::Python, &many).check().unwrap_err().code, ErrorCode::ClassInvalid);
}

#[test]
fn a_class_without_any_is_encoded_as_before() {
    let plain = ClassSource::new("A", Language::Python, "class A(emerge.Object): pass");
    // Its array ends before `captures`, `module` and `requires`, so that its address is what it was.
    assert_eq!(encode(&plain)[0], 0x85);
    let with = requiring(Language::Python, &["pandas"]);
    assert_eq!(encode(&with)[0], 0x89);
    assert_eq!(decode::<ClassSource>(&encode(&with)).unwrap(), with);
    assert_ne!(plain.hash(), with.hash());
}
