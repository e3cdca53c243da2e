//! The struct: its fields are those of the class.

use crate::describe::{Map, default, doc, kind, section};
use emerge_proto::Value;
use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{Error, Fields, ItemStruct, Result};

pub(crate) fn class(mut item: ItemStruct) -> Result<TokenStream> {
    if !item.generics.params.is_empty() {
        return Err(Error::new_spanned(item.generics, "a class has no parameters of types or lifetimes"));
    }
    let Fields::Named(named) = &mut item.fields else {
        return Err(Error::new_spanned(item, "the fields of a class have names"));
    };
    let (mut fields, mut idents, mut names, mut defaults) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for field in &mut named.named {
        let Some(ident) = field.ident.clone() else { continue };
        let name = ident.unraw().to_string();
        let default = default(&mut field.attrs, &field.ty)?;
        let mut part = Map::default();
        part.put("name", name.as_str());
        part.put("type", kind(&field.ty));
        part.put("default", default.clone());
        part.put("doc", doc(&field.attrs));
        fields.push(part.value());
        defaults.push(match default {
            Some(value) => {
                let bytes = proc_macro2::Literal::byte_string(&value.encode());
                quote!(::core::option::Option::Some(#bytes))
            }
            None => quote!(::core::option::Option::None),
        });
        names.push(name);
        idents.push(ident);
    }
    let name = item.ident.unraw().to_string();
    let mut part = Map::default();
    part.put("name", name.as_str());
    part.put("doc", doc(&item.attrs));
    part.put("fields", Value::List(fields));
    let (section, ident) = (section(part), &item.ident);
    Ok(quote! {
        #item

        impl ::emerge::Class for #ident {
            fn from_state(state: &mut ::emerge::State) -> ::core::result::Result<Self, ::emerge::Error> {
                ::core::result::Result::Ok(Self { #(#idents: state.field(#names, #defaults)?),* })
            }

            fn into_state(self, state: &mut ::emerge::State) {
                #(state.set(#names, self.#idents);)*
            }
        }

        #section
    })
}
