//! The annotated function: its signature taken apart, its body left as the tokens it is.

use std::collections::HashSet;

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::visit::Visit;
use syn::visit_mut::VisitMut;
use syn::{
    Attribute, Expr, ExprClosure, FnArg, GenericParam, Generics, Lifetime, Pat, PatType, Receiver, ReceiverKind,
    ReturnType, Signature, Token, Type, Visibility, token,
};

use crate::error::Errors;
use crate::key::is_primitive;
use crate::options;

/// A function with its body as raw tokens.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    /// None for a trait's method without a default.
    pub(crate) body: Option<Group>,
    semi: Option<Token![;]>,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let sig = input.parse()?;
        let semi = input.parse()?;
        let body = match semi {
            Some(_) => None,
            None if input.peek(token::Brace) => Some(input.parse()?),
            None => return Err(input.error("expected the body of a function")),
        };
        Ok(Self {
            attrs,
            vis,
            sig,
            body,
            semi,
        })
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        for attr in &self.attrs {
            attr.to_tokens(tokens);
        }
        self.vis.to_tokens(tokens);
        self.sig.to_tokens(tokens);
        self.body.to_tokens(tokens);
        self.semi.to_tokens(tokens);
    }
}

/// Reads the item, or notes what it is instead of a function.
pub(crate) fn parse(attribute: &str, item: &TokenStream, errors: &mut Errors) -> Option<Function> {
    match syn::parse2::<Function>(item.clone()) {
        Ok(function) => Some(function),
        Err(error) => {
            match item_keyword(item) {
                Some(keyword) => errors.at(
                    &keyword,
                    format!("`#[{attribute}]` goes on an `async fn`, not on `{keyword}`"),
                ),
                None => errors.push(error),
            }
            None
        }
    }
}

/// The word that says what an item is, if it is not a function.
fn item_keyword(item: &TokenStream) -> Option<Ident> {
    const ITEMS: [&str; 10] = [
        "struct",
        "enum",
        "union",
        "trait",
        "impl",
        "mod",
        "static",
        "type",
        "use",
        "macro_rules",
    ];
    let words = item.clone().into_iter().filter_map(|token| match token {
        TokenTree::Ident(word) => Some(word),
        _ => None,
    });
    for word in words {
        if word == "fn" {
            return None;
        }
        if ITEMS.iter().any(|keyword| word == keyword) {
            return Some(word);
        }
    }
    None
}

impl Function {
    /// Notes what keeps any function from being annotated.
    pub(crate) fn check(&self, attribute: &str, errors: &mut Errors) {
        if self.sig.asyncness.is_none() {
            match self.sig.constness {
                Some(constness) => errors.at(
                    constness,
                    format!("`#[{attribute}]` goes on an `async fn`, and a `const fn` cannot be one: a constant needs no cache"),
                ),
                None => errors.at(
                    self.sig.fn_token,
                    format!("`#[{attribute}]` goes on an `async fn`: write `async fn {}`", self.sig.ident),
                ),
            }
        }
        if let Some(semi) = self.semi {
            errors.at(
                semi,
                format!(
                    "`#[{attribute}]` goes on a function with a body: annotate {}",
                    match attribute {
                        "agent_cached" | "cached_batch" | "cached_revision" =>
                            "a function outside of the trait, and call that in the `impl`",
                        cached if cached.starts_with("cached") =>
                            "the method in the `impl` of the trait, with `#[cached_in(self.field)]`",
                        _ => "the method in the `impl` of the trait",
                    }
                ),
            );
        }
        if let Some(variadic) = &self.sig.variadic {
            errors.at(variadic, format!("`#[{attribute}]` cannot forward variadic arguments"));
        }
    }

    pub(crate) fn receiver(&self) -> Option<&Receiver> {
        self.sig.inputs.iter().find_map(|input| match input {
            FnArg::Receiver(receiver) => Some(receiver),
            FnArg::Typed(_) => None,
        })
    }

    /// Its arguments without the receiver.
    pub(crate) fn arguments(&self) -> Vec<Argument> {
        let typed = self.sig.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(typed) => Some(typed),
            FnArg::Receiver(_) => None,
        });
        typed.enumerate().map(|(at, typed)| Argument::new(at, typed)).collect()
    }

    /// Says that a name is none of those that can stand in its place, and which they are.
    pub(crate) fn no_argument(&self, name: &str, names: &[String], to_do_what: &str) -> String {
        let function = &self.sig.ident;
        if names.is_empty() {
            return format!("`{function}` has no argument `{name}`, and no other {to_do_what}");
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let meant = options::nearest(name, &names)
            .map(|near| format!("did you mean `{near}`? "))
            .unwrap_or_default();
        format!(
            "`{function}` has no argument `{name}`: {meant}its arguments are {}",
            options::listed(&names)
        )
    }

    pub(crate) fn returns(&self) -> Option<&Type> {
        match &self.sig.output {
            ReturnType::Type(_, ty) if !is_unit(ty) => Some(ty),
            _ => None,
        }
    }

    /// Whether it can only stand in an `impl`: nothing else tells a method without `self` from a function.
    pub(crate) fn names_self_type(&self) -> bool {
        let body = self.body.as_ref().map(Group::stream);
        names_ident(self.sig.to_token_stream(), "Self") || body.is_some_and(|body| names_ident(body, "Self"))
    }

    /// The names of its type and constant parameters.
    pub(crate) fn type_parameters(&self) -> HashSet<String> {
        let params = self.sig.generics.params.iter();
        params
            .filter_map(|param| match param {
                GenericParam::Type(param) => Some(param.ident.to_string()),
                GenericParam::Const(param) => Some(param.ident.to_string()),
                GenericParam::Lifetime(_) => None,
            })
            .collect()
    }

    /// Its lifetime parameters alone, for companions that take only some of the arguments.
    pub(crate) fn lifetimes(&self) -> Generics {
        let params: Punctuated<_, Token![,]> = self
            .sig
            .generics
            .params
            .iter()
            .filter(|param| matches!(param, GenericParam::Lifetime(_)))
            .cloned()
            .collect();
        let given = !params.is_empty();
        Generics {
            lt_token: given.then(Default::default),
            params,
            gt_token: given.then(Default::default),
            where_clause: None,
        }
    }

    /// The signature with each pattern replaced by a name, and `mut` left out: what forwards its arguments.
    pub(crate) fn forwarding_signature(&self, arguments: &[Argument]) -> Signature {
        let mut sig = self.sig.clone();
        let mut named = arguments.iter();
        for input in &mut sig.inputs {
            match input {
                FnArg::Typed(typed) => {
                    if let Some(argument) = named.next() {
                        let name = &argument.name;
                        *typed.pat = syn::parse_quote!(#name);
                    }
                }
                FnArg::Receiver(receiver) => {
                    if matches!(receiver.kind, ReceiverKind::Value | ReceiverKind::Typed(..)) {
                        receiver.mutability = None;
                    }
                }
            }
        }
        sig
    }

    /// Those of its attributes that say whether it exists.
    pub(crate) fn cfgs(&self) -> impl Iterator<Item = &Attribute> {
        self.attrs.iter().filter(|attr| attr.path().is_ident("cfg"))
    }

    /// Whether none of its attributes is a macro that may look at it, as far as can be known.
    pub(crate) fn attrs_are_inert(&self) -> bool {
        const INERT: [&str; 11] = [
            "doc",
            "cfg",
            "allow",
            "expect",
            "warn",
            "deny",
            "forbid",
            "must_use",
            "deprecated",
            "inline",
            "cold",
        ];
        self.attrs
            .iter()
            .all(|attr| INERT.iter().any(|name| attr.path().is_ident(name)))
    }

    /// Those of its attributes that a function with the same body needs as well.
    pub(crate) fn body_attrs(&self) -> impl Iterator<Item = &Attribute> {
        const SHARED: [&str; 6] = ["cfg", "allow", "expect", "warn", "deny", "forbid"];
        self.attrs
            .iter()
            .filter(|attr| SHARED.iter().any(|name| attr.path().is_ident(name)))
    }
}

fn is_unit(ty: &Type) -> bool {
    matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty())
}

/// An argument that is not a receiver.
pub(crate) struct Argument {
    /// What it is called in code that forwards it.
    pub(crate) name: Ident,
    /// Whether that is also what the user calls it.
    pub(crate) is_named: bool,
    pub(crate) pat: Pat,
    pub(crate) ty: Type,
}

impl Argument {
    fn new(at: usize, typed: &PatType) -> Self {
        let (name, is_named) = match &*typed.pat {
            Pat::Ident(pat) if pat.subpat.is_none() && pat.by_ref.is_none() => (pat.ident.clone(), true),
            _ => (format_ident!("argument_{at}"), false),
        };
        Self {
            name,
            is_named,
            pat: (*typed.pat).clone(),
            ty: (*typed.ty).clone(),
        }
    }

    /// Its name, as an expression.
    pub(crate) fn name_expr(&self) -> syn::Expr {
        let name = &self.name;
        syn::parse_quote!(#name)
    }

    /// `name: Type`, as a parameter.
    pub(crate) fn declared(&self) -> TokenStream {
        let Self { name, ty, .. } = self;
        quote!(#name: #ty)
    }

    /// Lets its name, or those its pattern binds, stand for references, so that an expression moves nothing. A primitive
    /// stays as it is, and so does what is a reference already.
    pub(crate) fn shadow(&self) -> Option<TokenStream> {
        let name = &self.name;
        match &self.ty {
            _ if !self.is_named => {
                let pat = self.borrowing_pattern();
                Some(quote!(let #pat = &#name;))
            }
            ty if is_primitive(ty) => None,
            Type::Reference(reference) if reference.mutability.is_none() => None,
            Type::Reference(_) => Some(quote!(let #name = &*#name;)),
            _ => Some(quote!(let #name = &#name;)),
        }
    }

    /// Its pattern for a reference to it, where bindings are references by themselves and take no `mut` or `ref`.
    fn borrowing_pattern(&self) -> Pat {
        struct Plain;
        impl VisitMut for Plain {
            fn visit_pat_ident_mut(&mut self, pat: &mut syn::PatIdent) {
                (pat.by_ref, pat.mutability) = (None, None);
                syn::visit_mut::visit_pat_ident_mut(self, pat);
            }
        }
        let mut pat = self.pat.clone();
        Plain.visit_pat_mut(&mut pat);
        pat
    }

    /// The names its pattern binds.
    pub(crate) fn bindings(&self) -> Vec<Ident> {
        struct Bindings(Vec<Ident>);
        impl<'ast> Visit<'ast> for Bindings {
            fn visit_pat_ident(&mut self, pat: &'ast syn::PatIdent) {
                self.0.push(pat.ident.clone());
                syn::visit::visit_pat_ident(self, pat);
            }
        }
        let mut bindings = Bindings(Vec::new());
        bindings.visit_pat(&self.pat);
        bindings.0
    }
}

/// Whether a word stands anywhere in some code, or in braces in one of its texts, as in `format!("{id}")`.
pub(crate) fn names_ident(tokens: TokenStream, word: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == word,
        TokenTree::Group(group) => names_ident(group.stream(), word),
        TokenTree::Literal(literal) => {
            let text = literal.to_string();
            text.match_indices('{').any(|(at, _)| {
                let rest = text[at + 1..].trim_start();
                rest.strip_prefix(word)
                    .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
            })
        }
        TokenTree::Punct(_) => false,
    })
}

/// The first of a function's arguments that a closure names.
pub(crate) fn captured(closure: &ExprClosure, arguments: &[Argument]) -> Option<Ident> {
    /// The names that are used, and those that are bound on the way.
    #[derive(Default)]
    struct Names {
        used: Vec<Ident>,
        bound: Vec<Ident>,
    }
    impl<'ast> Visit<'ast> for Names {
        fn visit_expr_path(&mut self, path: &'ast syn::ExprPath) {
            self.used.extend(path.path.get_ident().cloned());
        }

        // A function may be called what an argument is called.
        fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
            if !matches!(*call.func, Expr::Path(_)) {
                self.visit_expr(&call.func);
            }
            for argument in &call.args {
                self.visit_expr(argument);
            }
        }

        fn visit_pat_ident(&mut self, pat: &'ast syn::PatIdent) {
            self.bound.push(pat.ident.clone());
            syn::visit::visit_pat_ident(self, pat);
        }
    }
    let mut names = Names::default();
    names.visit_expr_closure(closure);
    let bindings: Vec<Ident> = arguments.iter().flat_map(Argument::bindings).collect();
    let Names { used, bound } = names;
    used.into_iter()
        .find(|name| (bindings.contains(name) || *name == "self") && !bound.contains(name))
}

/// What of a type cannot be kept: a borrow of something that is not `'static`.
pub(crate) fn borrowed_part(ty: &Type) -> Option<TokenStream> {
    struct Borrows(Option<TokenStream>);
    impl<'ast> Visit<'ast> for Borrows {
        fn visit_type_reference(&mut self, reference: &'ast syn::TypeReference) {
            if reference
                .lifetime
                .as_ref()
                .is_none_or(|lifetime| lifetime.ident != "static")
            {
                self.0.get_or_insert_with(|| reference.to_token_stream());
            }
            syn::visit::visit_type_reference(self, reference);
        }

        fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
            if lifetime.ident != "static" {
                self.0.get_or_insert_with(|| lifetime.to_token_stream());
            }
        }

        // Their lifetimes are bound by themselves.
        fn visit_type_fn_ptr(&mut self, _: &'ast syn::TypeFnPtr) {}
    }
    let mut borrows = Borrows(None);
    borrows.visit_type(ty);
    borrows.0
}

/// The type with `'static` for every lifetime: what can be named where those of the function cannot.
pub(crate) fn with_static_lifetimes(ty: &Type) -> Type {
    struct Static;
    impl VisitMut for Static {
        fn visit_type_reference_mut(&mut self, reference: &mut syn::TypeReference) {
            reference.lifetime = Some(syn::parse_quote!('static));
            syn::visit_mut::visit_type_reference_mut(self, reference);
        }

        fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
            *lifetime = syn::parse_quote!('static);
        }

        // Their lifetimes are bound by themselves.
        fn visit_type_fn_ptr_mut(&mut self, _: &mut syn::TypeFnPtr) {}
    }
    let mut ty = ty.clone();
    Static.visit_type_mut(&mut ty);
    ty
}

/// The type with a name for every lifetime that has none, for where the compiler does not fill them in.
pub(crate) fn with_named_lifetimes(ty: &Type, name: &Lifetime) -> Type {
    struct Name<'n>(&'n Lifetime);
    impl VisitMut for Name<'_> {
        fn visit_type_reference_mut(&mut self, reference: &mut syn::TypeReference) {
            reference.lifetime.get_or_insert_with(|| self.0.clone());
            syn::visit_mut::visit_type_reference_mut(self, reference);
        }

        fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
            if lifetime.ident == "_" {
                *lifetime = self.0.clone();
            }
        }

        // Their lifetimes are bound by themselves.
        fn visit_type_fn_ptr_mut(&mut self, _: &mut syn::TypeFnPtr) {}
    }
    let mut ty = ty.clone();
    Name(name).visit_type_mut(&mut ty);
    ty
}

/// The first `impl Trait` in a type.
pub(crate) fn opaque_part(ty: &Type) -> Option<TokenStream> {
    struct Opaque(Option<TokenStream>);
    impl<'ast> Visit<'ast> for Opaque {
        fn visit_type_impl_trait(&mut self, opaque: &'ast syn::TypeImplTrait) {
            self.0.get_or_insert_with(|| opaque.to_token_stream());
        }
    }
    let mut opaque = Opaque(None);
    opaque.visit_type(ty);
    opaque.0
}

/// The hash of an argument's name (FNV-1a), by which two expansions tell arguments apart in types.
pub(crate) fn name_hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// An identifier for the expansion alone, which no name of the user's can meet.
pub(crate) fn hidden(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// Tokens as a person would write them.
pub(crate) fn readable(tokens: &TokenStream) -> String {
    let spaced = tokens.to_string();
    [
        (" < ", "<"),
        (" > ", "> "),
        (" >", ">"),
        (" :: ", "::"),
        ("& ", "&"),
        (" ,", ","),
        (" . ", "."),
        (" ;", ";"),
    ]
    .into_iter()
    .fold(spaced, |text, (from, to)| text.replace(from, to))
}
