//! Tags, resources and sessions.
//!
//! Where the type of the key can be written, the cache makes the tags of it, so that they are there however a value came
//! in. Where it cannot, because the key is an expression or the cache the user's own, each call brings them, made by the
//! hidden companion `__tags` of references to the arguments, on a miss alone.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use super::super::check::{Agent, Home, Key, Placement};
use super::{Code, unraw};
use crate::function::hidden;
use crate::key::{Part, respan};
use crate::template::{self, Root};

impl Code<'_> {
    /// Whether a call brings tags, of its arguments or of the value.
    fn brings(&self) -> (bool, bool) {
        let labels = &self.plan.labels;
        let (is_given, is_expr) = match (&self.plan.home, &self.plan.key) {
            (Home::Given(_), _) => (true, true),
            (_, Key::Exprs(_)) => (false, true),
            _ => (false, false),
        };
        (
            is_expr && !labels.templates.is_empty(),
            is_given && labels.tag_fn.is_some(),
        )
    }

    pub(super) fn is_by_session(&self) -> bool {
        self.plan.agent.as_ref().is_some_and(|agent| agent.of_session)
    }

    /// A lookup, in the current session if the cache is by session.
    pub(super) fn in_session(&self, lookup: TokenStream) -> TokenStream {
        let private = &self.private;
        if self.is_by_session() {
            quote!(#private::in_session(#lookup))
        } else {
            lookup
        }
    }

    /// A type of keys, or of what the handle makes them of, likewise.
    pub(super) fn key_in_session(&self, key: TokenStream) -> TokenStream {
        let krate = &self.krate;
        if self.is_by_session() {
            quote!(#krate::session::Scoped<#key>)
        } else {
            key
        }
    }

    /// The type of the key in an `impl`.
    pub(super) fn owned_key(&self, parts: &[(usize, Part)]) -> TokenStream {
        let mut owned = parts.iter().map(|(_, part)| part.owned(&self.private));
        let key = if parts.len() == 1 {
            owned.next().unwrap_or_default()
        } else {
            quote!((#(#owned),*))
        };
        self.key_in_session(key)
    }

    /// Whether the cache has to be told more than its settings.
    pub(super) fn has_labels(&self) -> bool {
        !self.plan.labels.is_empty() || self.plan.agent.is_some()
    }

    /// Tells the builder of a static cache its tags and its resource.
    pub(super) fn labelled(&self, builder: TokenStream) -> TokenStream {
        let private = &self.private;
        let labels = &self.plan.labels;
        let mut builder = builder;
        if !labels.templates.is_empty() {
            let declared = labels.templates.iter().map(template::Template::literal);
            builder = quote!(#private::declared_tags(#builder, &[#(#declared),*]));
        }
        if let (Key::Parts(parts), false) = (&self.plan.key, labels.templates.is_empty()) {
            let of_key = self.key_tags(parts);
            builder = quote!(#private::key_tags(#builder, #of_key));
        }
        if labels.tag_fn.is_some() {
            let of_value = self.value_tags();
            builder = quote!(#private::value_tags(#builder, #of_value));
        }
        if let Some(Agent { of_session, .. }) = &self.plan.agent {
            let told = if *of_session {
                quote!(session_resource)
            } else {
                quote!(resource)
            };
            builder = quote!(#private::#told(#builder, __CACHE_RESOURCE));
        }
        builder
    }

    /// The resource as a constant, and the function's place in the list of those that belong to one: items for the body of
    /// the function that makes the cache.
    pub(super) fn registration(&self) -> TokenStream {
        let (krate, private) = (&self.krate, &self.private);
        let Some(Agent { resource, .. }) = &self.plan.agent else {
            return TokenStream::new();
        };
        let constant = resource.constant(krate);
        let (name, suffix) = (self.name(), format!("::{}", unraw(self.name())));
        // Items cannot name what is generic, nor a type that has no name.
        let key = if self.typed().is_some() {
            quote!(Some(::core::any::type_name::<#private::handle::Key<#name>>))
        } else {
            quote!(None)
        };
        quote! {
            #constant
            #private::inventory::submit! {
                #private::AgentFunction {
                    resource: __CACHE_RESOURCE,
                    name: ::core::concat!(::core::module_path!(), #suffix),
                    key: ::core::option::Option::#key,
                }
            }
        }
    }

    /// A closure that adds the tags of a key.
    fn key_tags(&self, parts: &[(usize, Part)]) -> TokenStream {
        let private = &self.private;
        let templates = &self.plan.labels.templates;
        let (key, tags) = (hidden("key"), hidden("tags"));
        let place = |root: &Root| match root {
            Root::Argument { at, .. } if parts.len() > 1 => {
                let at = parts.iter().position(|(of, _)| of == at).unwrap_or_default();
                let at = syn::Index::from(at);
                quote!(#key.#at)
            }
            _ => key.to_token_stream(),
        };
        let key_type = if self.typed().is_some() {
            quote!(#private::handle::Key<Self>)
        } else {
            self.owned_key(parts)
        };
        let is_read = templates.iter().any(|template| template.roots().next().is_some());
        let name = if is_read { key.to_token_stream() } else { quote!(_) };
        let unscoped = (is_read && self.is_by_session()).then(|| quote!(let #key = #key.key();));
        let pushed = self.pushed(&place);
        quote! {
            |#name: &#key_type, #tags: &mut #private::Tags| {
                #unscoped
                #pushed
            }
        }
    }

    /// A closure that adds the tags of a value.
    fn value_tags(&self) -> TokenStream {
        let private = &self.private;
        let value_type = if self.typed().is_some() {
            quote!(#private::handle::Kept<Self>)
        } else {
            self.value_type()
        };
        self.value_tags_of(&quote!(: &#value_type), &quote!(: &mut #private::Tags))
    }

    fn value_tags_of(&self, value_type: &TokenStream, tags_type: &TokenStream) -> TokenStream {
        let (at, extend) = (self.at_tag_fn(), self.extend());
        let (value, tags) = (Ident::new("value", at), Ident::new("tags", at));
        quote_spanned!(at=> |#value #value_type, #tags #tags_type| #extend)
    }

    /// The place of the user's `tag_fn`. If that captures something, the closure around it is no pointer, and is what the
    /// compiler complains of.
    fn at_tag_fn(&self) -> Span {
        let tag_fn = self.plan.labels.tag_fn.as_ref();
        Span::mixed_site().located_at(tag_fn.map_or_else(Span::call_site, Spanned::span))
    }

    /// Adds what `tag_fn` makes of the value.
    fn extend(&self) -> TokenStream {
        let Some(tag_fn) = &self.plan.labels.tag_fn else {
            return TokenStream::new();
        };
        // At the user's place, where the compiler says what is wrong with it.
        let (at, span) = (self.at_tag_fn(), tag_fn.span());
        let (value, tags) = (Ident::new("value", at), Ident::new("tags", at));
        let (private, extend) = (respan(&self.private, span), Ident::new("extend", span));
        // What is kept with a revision, the user knows without.
        let value = match self.revision() {
            Some(_) => quote_spanned!(at=> #value.value()),
            None => value.to_token_stream(),
        };
        let made = quote_spanned!(span=> #private::key_fn_1(#tag_fn, #value));
        quote_spanned!(at=> #tags.#extend(#made))
    }

    /// Adds each tag.
    fn pushed(&self, place: &dyn Fn(&Root) -> TokenStream) -> TokenStream {
        let (arguments, templates) = (&self.plan.arguments, &self.plan.labels.templates);
        let tags = hidden("tags");
        let patterns = template::patterns(templates, arguments, place);
        let pushed = templates.iter().map(|template| template.formatted(arguments, place));
        quote!(#patterns #(#tags.push(#pushed);)*)
    }

    /// `__tags` and `__value_tags`, for what calls bring.
    pub(super) fn label_companions(&self) -> TokenStream {
        if self.plan.placement == Placement::Alone {
            return TokenStream::new();
        }
        let (private, attrs) = (&self.private, self.companion_attrs());
        let (brings_tags, brings_value_tags) = self.brings();
        let tags = hidden("tags");
        let of_key = brings_tags.then(|| {
            let name = self.companion("tags", true);
            let lifetimes = self.generics(&[quote!('__key)], []);
            let receiver = self.plan.keyed_by_self.then(|| quote!(&'__key self,));
            let parameters = self.key_arguments().map(|(argument, form)| {
                let (name, ty) = (&argument.name, form.parameter());
                quote!(#name: #ty)
            });
            let pushed = self.pushed(&|root| self.named(root));
            quote! {
                #attrs
                #[doc(hidden)]
                #[allow(unused_variables)]
                fn #name #lifetimes (#receiver #(#parameters),*) -> #private::Tags {
                    let mut #tags: #private::Tags = ::core::default::Default::default();
                    #pushed
                    #tags
                }
            }
        });
        let of_value = brings_value_tags.then(|| {
            let name = self.companion("value_tags", true);
            let (value, value_type, extend) = (hidden("value"), self.value_type(), self.extend());
            quote! {
                #attrs
                #[doc(hidden)]
                fn #name(#value: &#value_type, #tags: &mut #private::Tags) {
                    #extend
                }
            }
        });
        quote!(#of_key #of_value)
    }

    /// An argument by its name.
    fn named(&self, root: &Root) -> TokenStream {
        match root {
            Root::Receiver => match self.plan.function.receiver() {
                Some(receiver) if self.plan.placement == Placement::Alone => receiver.self_token.to_token_stream(),
                _ => quote!(self),
            },
            Root::Argument { at, .. } => self.plan.arguments[*at].name.to_token_stream(),
        }
    }

    /// What a call brings, if it brings anything.
    pub(super) fn labels(&self, home: &TokenStream) -> Option<TokenStream> {
        let private = &self.private;
        let (brings_tags, brings_value_tags) = self.brings();
        if !brings_tags && !brings_value_tags {
            return None;
        }
        let is_alone = self.plan.placement == Placement::Alone;
        let tags = hidden("tags");
        let made = match (brings_tags, is_alone) {
            (false, _) => quote!(::core::default::Default::default()),
            (true, true) => {
                let pushed = self.pushed(&|root| self.named(root));
                quote!({
                    let mut #tags: #private::Tags = ::core::default::Default::default();
                    #pushed
                    #tags
                })
            }
            (true, false) => {
                let make = self.companion("tags", true);
                let passed = self
                    .key_arguments()
                    .map(|(argument, form)| form.passed(&argument.name.to_token_stream()));
                if self.plan.keyed_by_self {
                    quote!(self.#make(#(#passed),*))
                } else {
                    quote!(#home::#make(#(#passed),*))
                }
            }
        };
        let of_value = match (brings_value_tags, is_alone) {
            (false, _) => quote!(::core::option::Option::None),
            (true, true) => {
                let extend = self.value_tags_of(&TokenStream::new(), &TokenStream::new());
                quote_spanned!(self.at_tag_fn()=> ::core::option::Option::Some(#extend))
            }
            (true, false) => {
                let extend = self.companion("value_tags", true);
                quote!(::core::option::Option::Some(#home::#extend))
            }
        };
        Some(quote!(#private::Labels::new(#made, #of_value)))
    }

    /// One of the functions that load, with what the call brings in its place.
    pub(super) fn loading(&self, verb: &str, home: &TokenStream) -> (TokenStream, TokenStream) {
        let private = &self.private;
        match self.labels(home) {
            None => {
                let name = format_ident!("{verb}");
                (quote!(#private::#name), TokenStream::new())
            }
            Some(labels) => {
                let name = format_ident!("{verb}_labelled");
                (quote!(#private::#name), quote!(#labels,))
            }
        }
    }
}
