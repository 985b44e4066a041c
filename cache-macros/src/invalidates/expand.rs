//! From the targets to code: guards before the body, the body, the end of the guards.
//!
//! The guards are made of references to the arguments, in the first poll and before that of the body. They are dropped
//! on every way out, and dropping evicts.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned;
use syn::{FnArg, Pat, Path, ReceiverKind, Signature, Type};

use super::agent;
use super::arguments::{Arguments, Cached, Keys, Target};
use crate::cached::hidden_of_method;
use crate::function::{Argument, Function, hidden, name_hash, opaque_part};
use crate::key::{parts_of, respan, value_of};
use crate::template::{self, Root, Template};

pub(super) fn tokens(arguments: &Arguments, function: &Function) -> TokenStream {
    let code = Code::new(&arguments.krate, function);
    let is_by_name = |target: &Target| matches!(target, Target::Entries { keys: Keys::ByName, .. });
    let named = arguments.targets.iter().any(is_by_name).then(|| code.bag());
    let begun = arguments.targets.iter().map(|target| code.begin(target));
    code.function(&named.unwrap_or_default(), begun)
}

pub(super) fn agent_tokens(arguments: &agent::Arguments, function: &Function) -> TokenStream {
    let code = Code::new(&arguments.krate, function);
    let begun = code.begin_resource(arguments);
    code.function(&TokenStream::new(), [begun])
}

struct Code<'f> {
    private: TokenStream,
    function: &'f Function,
    arguments: Vec<Argument>,
}

impl<'f> Code<'f> {
    fn new(krate: &Path, function: &'f Function) -> Self {
        Self {
            private: quote!(#krate::__private),
            function,
            arguments: function.arguments(),
        }
    }

    /// The function with guards around its body. `named` is what they need to find arguments by their names.
    fn function(&self, named: &TokenStream, begun: impl IntoIterator<Item = TokenStream>) -> TokenStream {
        let begun = begun.into_iter();
        let private = &self.private;
        let Function { attrs, vis, body, .. } = self.function;
        let body = body.as_ref().map(proc_macro2::Group::stream);
        let sig = self.signature();
        let patterns = self
            .arguments
            .iter()
            .filter(|argument| !argument.is_named)
            .map(|argument| {
                let (name, pat) = (&argument.name, &argument.pat);
                quote!(let #pat = #name;)
            });
        let (guards, outcome) = (hidden("guards"), hidden("outcome"));
        let returns = self.returned();
        let edge = returns.as_ref().map(|returns| {
            quote! {
                // Never runs; it tells the compiler what `?` and `return` in the body return.
                #[allow(unreachable_code, clippy::diverging_sub_expression)]
                if false {
                    let returned: #returns = loop {};
                    return returned;
                }
            }
        });
        quote! {
            #(#attrs)*
            #vis #sig {
                let #guards = {
                    #named
                    [#(#begun),*]
                };
                let #outcome = async move {
                    #edge
                    #(#patterns)*
                    #body
                }
                .await;
                #private::finish(#guards).await;
                #outcome
            }
        }
    }

    /// The signature, with a name for each pattern, so that the guards can refer to what it takes apart.
    fn signature(&self) -> Signature {
        let mut sig = self.function.sig.clone();
        let typed = sig.inputs.iter_mut().filter_map(|input| match input {
            FnArg::Typed(typed) => Some(typed),
            FnArg::Receiver(_) => None,
        });
        for (typed, argument) in typed.zip(&self.arguments) {
            if !argument.is_named {
                let name = &argument.name;
                *typed.pat = Pat::Verbatim(quote!(#name));
            }
        }
        sig
    }

    /// The return type, if it can be written.
    fn returned(&self) -> Option<TokenStream> {
        match &self.function.sig.output {
            syn::ReturnType::Default => Some(quote!(())),
            syn::ReturnType::Type(_, ty) if opaque_part(ty).is_none() => Some(ty.to_token_stream()),
            syn::ReturnType::Type(..) => None,
        }
    }

    /// A type that hands out the arguments by name, and one of it.
    fn bag(&self) -> TokenStream {
        let private = &self.private;
        let (bag, value) = (hidden("Arguments"), hidden("arguments"));
        let mut given: Vec<(String, TokenStream)> = self
            .arguments
            .iter()
            .filter(|argument| argument.is_named)
            .map(|argument| (argument.name.unraw().to_string(), argument.name.to_token_stream()))
            .collect();
        if let Some(receiver) = self.function.receiver() {
            given.push(("self".to_owned(), receiver.self_token.to_token_stream()));
        }
        let types: Vec<_> = (0..given.len())
            .map(|at| format_ident!("A{at}", span = Span::mixed_site()))
            .collect();
        let lends = given.iter().zip(&types).enumerate().map(|(at, ((name, _), ty))| {
            let (at, name) = (syn::Index::from(at), name_hash(name));
            quote! {
                #[diagnostic::do_not_recommend]
                impl<Q: ?Sized, const OK: bool, #(#types: ?Sized),*> #private::Argument<#name, OK, Q>
                    for #bag<'_, #(#types),*>
                where
                    #ty: #private::Lend<Q>,
                {
                    fn argument(&self) -> &Q {
                        #private::Lend::lend(self.0.#at)
                    }
                }
            }
        });
        let values = given.iter().map(|(_, value)| value);
        quote! {
            struct #bag<'a, #(#types: ?Sized),*>((#(&'a #types,)*), ::core::marker::PhantomData<&'a ()>);
            #(#lends)*
            let #value = #bag((#(&#values,)*), ::core::marker::PhantomData);
        }
    }

    /// The expression that begins the mutation of a target.
    fn begin(&self, target: &Target) -> TokenStream {
        let private = &self.private;
        let (cache, keys) = match target {
            Target::Entries { cache, keys } => (cache, keys),
            Target::Tag(tag) => return self.begin_tag(tag),
        };
        match (cache, keys) {
            // Parsing lets no other keys through for a cache.
            (Cached::Cache(cache), Keys::All | Keys::ByName | Keys::Made(_)) => {
                quote_spanned!(cache.span()=> #private::begin_all(&(#cache)))
            }
            (Cached::Cache(cache), Keys::Of(exprs)) => {
                let (shadows, parts) = (self.shadows(), parts_of(exprs, private));
                let begin = respan(&quote!(#private::begin), cache.span());
                quote_spanned!(cache.span()=> { #shadows #begin(&#parts, &(#cache)) })
            }
            (cached, Keys::All) => {
                let get = companion(cached, "cache");
                quote_spanned!(cached.span()=> #private::begin_all(#get()))
            }
            (cached, Keys::Of(exprs)) => {
                let begin = companion(cached, "begin");
                let shadows = self.shadows();
                let values: Vec<_> = exprs.iter().map(|expr| self.value(expr)).collect();
                let values = match &*values {
                    [one] => quote!(#one),
                    many => {
                        let tuple = quote!((#(#many),*));
                        respan(&tuple, exprs.first().map_or_else(|| cached.span(), Spanned::span))
                    }
                };
                quote_spanned!(cached.span()=> { #shadows #begin(#values) })
            }
            (cached, Keys::Made(key_fn)) => {
                let begin = companion(cached, "begin");
                let made = self.made(key_fn);
                quote_spanned!(cached.span()=> #begin(#made))
            }
            (cached, Keys::ByName) => {
                let begin = companion(cached, "begin_named");
                let names = companion(cached, "KEY");
                let value = hidden("arguments");
                let given = self.arguments.iter().filter(|argument| argument.is_named);
                let mut given: Vec<_> = given.map(|argument| argument.name.unraw().to_string()).collect();
                given.extend(self.function.receiver().map(|_| "self".to_owned()));
                let private = respan(private, cached.span());
                quote_spanned! {cached.span()=>
                    #begin::<_, { #private::covered(#names.0, &[#(#given),*], #names.1) }>(&#value)
                }
            }
        }
    }

    /// The expression that begins the mutation of a tag.
    fn begin_tag(&self, tag: &Template) -> TokenStream {
        let private = &self.private;
        let place = |root: &Root| match root {
            Root::Receiver => self
                .function
                .receiver()
                .map(|receiver| receiver.self_token.to_token_stream())
                .unwrap_or_default(),
            Root::Argument { at, .. } => self.arguments[*at].name.to_token_stream(),
        };
        let patterns = template::patterns([tag], &self.arguments, &place);
        let tag = tag.formatted(&self.arguments, &place);
        if patterns.is_empty() {
            quote!(#private::begin_tag(#tag))
        } else {
            quote!({ #patterns #private::begin_tag(#tag) })
        }
    }

    /// The expression that begins the mutation of a resource, or of one key in it.
    fn begin_resource(&self, arguments: &agent::Arguments) -> TokenStream {
        let (private, of_session) = (&self.private, arguments.of_session);
        let constant = arguments.resource.constant(&arguments.krate);
        match &arguments.key_fn {
            None => quote!({
                #constant
                #private::begin_resource(__CACHE_RESOURCE, #of_session)
            }),
            Some(key_fn) => {
                let made = self.made(key_fn);
                let begin = respan(&quote!(#private::begin_resource_key), key_fn.span());
                let begin = quote_spanned!(key_fn.span()=> #begin(__CACHE_RESOURCE, #of_session, #made));
                quote!({ #constant #begin })
            }
        }
    }

    /// An expression in a call, without moving what it names.
    fn value(&self, expr: &syn::Expr) -> TokenStream {
        let is_self = matches!(expr, syn::Expr::Path(path) if path.path.is_ident("self"));
        match self.function.receiver().map(|receiver| &receiver.kind) {
            Some(ReceiverKind::Value) if is_self => quote!(&#expr),
            Some(_) if is_self => quote!(&*#expr),
            _ => value_of(expr),
        }
    }

    /// What `key_fn` makes of references to the arguments.
    fn made(&self, key_fn: &syn::Expr) -> TokenStream {
        let private = &self.private;
        let call = format_ident!("key_fn_{}", self.arguments.len());
        let references = self.arguments.iter().map(|argument| {
            let name = &argument.name;
            match &argument.ty {
                Type::Reference(reference) if reference.mutability.is_none() => quote!(#name),
                Type::Reference(_) => quote!(&*#name),
                _ => quote!(&#name),
            }
        });
        let call = respan(&quote!(#private::#call), key_fn.span());
        quote_spanned!(key_fn.span()=> #call(#key_fn, #(#references),*))
    }

    /// Lets names in expressions stand for references, so that nothing is moved. Primitives stay as they are.
    fn shadows(&self) -> TokenStream {
        self.arguments
            .iter()
            .filter_map(Argument::shadow)
            .map(|shadow| quote!(#[allow(unused_variables)] #shadow))
            .collect()
    }
}

impl Cached {
    fn span(&self) -> Span {
        match self {
            Self::Function(path) => path.span(),
            Self::Method(_, method) => method.span(),
            Self::Cache(cache) => cache.span(),
        }
    }
}

/// The path of a companion: in the handle of a function, or beside a method.
fn companion(cached: &Cached, verb: &str) -> TokenStream {
    match cached {
        Cached::Function(path) => {
            let name = match verb {
                "cache" => format_ident!("cache", span = cached.span()),
                hidden => format_ident!("__{hidden}", span = cached.span()),
            };
            let path = in_expression(path);
            quote!(#path::#name)
        }
        Cached::Method(of, method) => {
            let name = match verb {
                "cache" => format_ident!("{}_cache", method.unraw(), span = method.span()),
                hidden => hidden_of_method(method, hidden),
            };
            let of = in_expression(of);
            quote!(#of::#name)
        }
        Cached::Cache(cache) => quote!(#cache),
    }
}

/// A path of a type as an expression has it, `Type::<T>`.
fn in_expression(path: &Path) -> TokenStream {
    let mut path = path.clone();
    for segment in &mut path.segments {
        if let syn::PathArguments::AngleBracketed(arguments) = &mut segment.arguments {
            arguments.colon2_token.get_or_insert_with(Default::default);
        }
    }
    path.to_token_stream()
}
