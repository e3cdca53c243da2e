//! The `impl`: its public functions are the methods of the class.

use crate::describe::{Map, default, doc, kind, returns, section, take};
use emerge_proto::Value;
use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{Attribute, Error, FnArg, ImplItem, ImplItemFn, ItemImpl, Pat, Result, ReturnType, Visibility};

pub(crate) fn class(mut item: ItemImpl) -> Result<TokenStream> {
    if item.trait_.is_some() || !item.generics.params.is_empty() {
        return Err(Error::new_spanned(item, "#[emerge::class] stands on the impl of the struct itself"));
    }
    let (mut methods, mut arms) = (Vec::new(), Vec::new());
    for member in &mut item.items {
        let ImplItem::Fn(function) = member else { continue };
        let is_skipped = flag(&mut function.attrs, "skip")?;
        if !is_skipped && matches!(function.vis, Visibility::Public(_)) {
            let (described, arm) = method(function)?;
            methods.push(described);
            arms.push(arm);
        }
    }
    let mut part = Map::default();
    part.put("methods", Value::List(methods));
    let (section, of) = (section(part), &item.self_ty);
    Ok(quote! {
        #item

        impl ::emerge::Methods for #of {
            fn call(
                name: &str,
                arguments: &mut ::emerge::Arguments,
                state: &mut ::emerge::State,
            ) -> ::core::result::Result<::emerge::Value, ::emerge::Error> {
                match name {
                    #(#arms)*
                    _ => ::core::result::Result::Err(::emerge::no_method(name)),
                }
            }
        }

        // One module is one class: a second one would export these again.
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            // SAFETY: no other function of the module has this name.
            #[unsafe(no_mangle)]
            extern "C" fn emerge_alloc(length: u32) -> u32 {
                ::emerge::guest::alloc(length)
            }

            // SAFETY: no other function of the module has this name.
            #[unsafe(no_mangle)]
            extern "C" fn emerge_call(request: u32, length: u32) -> u64 {
                ::emerge::guest::call::<#of>(request, length)
            }
        };

        #section
    })
}

/// What the description says of a method, and how it is called.
fn method(function: &mut ImplItemFn) -> Result<(Value, TokenStream)> {
    let signature = &mut function.sig;
    if let Some(asyncness) = &signature.asyncness {
        return Err(Error::new_spanned(
            asyncness,
            "a method of a class in wasm waits for what it asks, and is not async",
        ));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &signature.generics,
            "a method of a class has no parameters of types or lifetimes",
        ));
    }
    let is_property = flag(&mut function.attrs, "property")?;
    let (mut params, mut arguments, mut receiver) = (Vec::new(), Vec::new(), None);
    for input in &mut signature.inputs {
        let typed = match input {
            FnArg::Receiver(own) => {
                if own.reference.is_none() {
                    return Err(Error::new_spanned(own, "a method takes &self or &mut self"));
                }
                receiver = Some(own.mutability.is_some());
                continue;
            }
            FnArg::Typed(typed) => typed,
        };
        let Pat::Ident(pattern) = &*typed.pat else {
            return Err(Error::new_spanned(&typed.pat, "a parameter of a method is a name"));
        };
        let name = pattern.ident.unraw().to_string();
        let default = default(&mut typed.attrs, &typed.ty)?;
        let is_rest = flag(&mut typed.attrs, "rest")?;
        let mut part = Map::default();
        part.put("name", if is_rest { format!("...{name}") } else { name.clone() }.as_str());
        part.put("type", kind(&typed.ty));
        part.put("default", default.filter(|_| !is_rest));
        params.push(part.value());
        arguments.push(quote!(arguments.take(#name)?));
    }
    let name = signature.ident.unraw().to_string();
    let mut part = Map::default();
    part.put("name", name.as_str());
    part.put("doc", doc(&function.attrs));
    part.put("params", Value::List(params));
    part.put("static", receiver.is_none());
    part.put("property", is_property);
    if let ReturnType::Type(_, of) = &signature.output {
        part.put("returns", returns(of));
    }
    let ident = &signature.ident;
    let called = match receiver {
        None => quote!(::emerge::outcome(Self::#ident(#(#arguments),*))),
        Some(false) => quote! {{
            let this = <Self as ::emerge::Class>::from_state(state)?;
            ::emerge::outcome(this.#ident(#(#arguments),*))
        }},
        Some(true) => quote! {{
            let mut this = <Self as ::emerge::Class>::from_state(state)?;
            let result = ::emerge::outcome(this.#ident(#(#arguments),*))?;
            <Self as ::emerge::Class>::into_state(this, state);
            ::core::result::Result::Ok(result)
        }},
    };
    Ok((part.value(), quote!(#name => #called,)))
}

/// Takes an attribute off that says no more than its name.
fn flag(attributes: &mut Vec<Attribute>, name: &str) -> Result<bool> {
    match take(attributes, name) {
        Some(attribute) => attribute.meta.require_path_only().map(|_| true),
        None => Ok(false),
    }
}
