//! The attribute `#[emerge::class]`, which the crate `emerge-class` documents and gives to others.

mod describe;
mod fields;
mod methods;

use proc_macro::TokenStream;
use syn::{Error, Item, parse_macro_input};

/// Makes a class of a struct with named fields, and of its `impl` the class's methods: the attribute stands on both. See the crate `emerge`.
#[proc_macro_attribute]
pub fn class(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = proc_macro2::TokenStream::from(arguments);
    if !arguments.is_empty() {
        let why = "#[emerge::class] takes no arguments";
        return Error::new_spanned(arguments, why).into_compile_error().into();
    }
    let made = match parse_macro_input!(item as Item) {
        Item::Struct(item) => fields::class(item),
        Item::Impl(item) => methods::class(item),
        other => Err(Error::new_spanned(other, "#[emerge::class] stands on a struct, and on its impl")),
    };
    made.unwrap_or_else(Error::into_compile_error).into()
}
