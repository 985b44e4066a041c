//! Loads that run as tasks of their own: what goes to them, and what runs them.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{ReceiverKind, Type};

use super::super::check::Home;
use super::super::detached::{Detached, Taken};
use super::Code;
use crate::function::{Argument, hidden, opaque_part};
use crate::key::respan;

impl<'p> Code<'p> {
    pub(super) fn detached(&self) -> Option<&'p Detached> {
        self.plan.detached.as_ref()
    }

    pub(super) fn doc_of_refresh(&self) -> &'static str {
        if self.batch().is_some() {
            "Loads the key now, through a batch, and stores what comes of it, whatever the cache holds."
        } else if self.detached().is_some() {
            "Runs the body now, as a task of its own, and stores what it returns, whatever the cache holds."
        } else {
            "Runs the body now and stores what it returns, whatever the cache holds."
        }
    }

    /// What runs the loads, if the outcome can come back from them.
    pub(super) fn task(&self) -> TokenStream {
        let returns = &self.plan.returns;
        let span = returns.span();
        let private = respan(&self.private, span);
        quote_spanned! {span=> {
            #[allow(unused_imports)]
            use #private::task::{AllStays as _, ComesBack as _, ErrorStays as _};
            #private::task::of::<#returns, _>(
                ::core::marker::PhantomData,
                (&&&#private::task::ReturnProbe::<#returns>(::core::marker::PhantomData)).task(),
            )
        }}
    }

    /// What a caller returns that has waited too long.
    pub(super) fn on_timeout(&self) -> TokenStream {
        let (private, returns) = (&self.private, &self.plan.returns);
        let has_timeout = self.detached().is_some_and(|detached| detached.has_timeout);
        match &self.plan.home {
            Home::Static(_) if has_timeout => {
                let private = respan(private, returns.span());
                quote_spanned!(returns.span()=> ::core::option::Option::Some(#private::task::timed_out::<#returns>))
            }
            Home::Static(_) => quote!(::core::option::Option::None),
            // What limits there are, his cache knows.
            Home::Given(_) => quote!({
                #[allow(unused_imports)]
                use #private::task::{TimesOut as _, Waits as _};
                (&&#private::task::TimeoutProbe::<#returns>(::core::marker::PhantomData)).on_timeout()
            }),
        }
    }

    /// A call of what runs loads.
    pub(super) fn by_task(&self, verb: &TokenStream, detached: &Detached, given: &TokenStream) -> TokenStream {
        let task = self.task();
        // The word is what the compiler complains of if the load cannot go to another thread.
        let at = Span::mixed_site().located_at(detached.keyword.span());
        let verb = respan(verb, at);
        quote_spanned!(at=> #task.#verb(#given))
    }

    /// The end of what it is given, beginning with what the call brings.
    pub(super) fn spawned(&self, home: &TokenStream, load: &TokenStream) -> TokenStream {
        let (keep_if, on_timeout) = (self.keep_if(), self.on_timeout());
        let labels = match self.labels(home) {
            Some(labels) => quote!(::core::option::Option::Some(#labels)),
            None => quote!(::core::option::Option::None),
        };
        quote!(#labels, #keep_if, #on_timeout, #load)
    }

    /// A closure that starts a load with everything its own, by the uncached function.
    pub(super) fn load_of_its_own(
        &self,
        detached: &Detached,
        given: Option<&TokenStream>,
        home: &TokenStream,
    ) -> TokenStream {
        let parameters = given.map_or_else(|| quote!(||), |given| quote!(|#given|));
        let owned = self.owned(detached);
        let uncached = self.companion("uncached", false);
        let this = hidden("this");
        let receiver = detached.receiver.as_ref().map(|taken| match taken {
            Taken::Lent { .. } => quote!(&#this,),
            _ => quote!(#this,),
        });
        let arguments = self.plan.arguments.iter().zip(&detached.arguments);
        let passed = arguments.map(|(Argument { name, .. }, taken)| match taken {
            Taken::Lent { .. } => quote!(&#name),
            Taken::Optional { target, .. } => self.lend_option(name, target),
            Taken::Given { .. } | Taken::Cow { .. } => name.to_token_stream(),
        });
        // Also where nothing has to be owned: of a future that is not `Send` the compiler complains once, if it is this one.
        let load = quote!(async move { #home::#uncached(#receiver #(#passed),*).await });
        if owned.is_empty() {
            return quote!(move #parameters #load);
        }
        quote! {
            move #parameters {
                #owned
                #load
            }
        }
    }

    /// The same with the body in it.
    pub(super) fn load_of_its_own_inline(&self, detached: &Detached, body: &TokenStream) -> TokenStream {
        let owned = self.owned(detached);
        let arguments = self.plan.arguments.iter().zip(&detached.arguments);
        let lent = arguments.filter_map(|(Argument { name, .. }, taken)| match taken {
            Taken::Lent { target, .. } => {
                let target = opaque_part(target).is_none().then(|| quote!(: &#target));
                Some(quote!(let #name #target = &#name;))
            }
            Taken::Optional { target, .. } => {
                let lent = self.lend_option(name, target);
                Some(quote!(let #name = #lent;))
            }
            _ => None,
        });
        let this = hidden("this");
        let receiver = self
            .plan
            .function
            .receiver()
            .map(|receiver| match (&detached.receiver, &receiver.mutability) {
                (Some(Taken::Lent { .. }), _) => quote!(let #this = &#this;),
                (_, Some(mutability)) if !matches!(receiver.kind, ReceiverKind::Reference(..)) => {
                    quote!(let #mutability #this = #this;)
                }
                _ => TokenStream::new(),
            });
        let body = if self.plan.function.receiver().is_some() {
            with_receiver(body.clone(), &this)
        } else {
            body.clone()
        };
        quote! {
            move || {
                #owned
                async move {
                    #receiver
                    #(#lent)*
                    #body
                }
            }
        }
    }

    pub(super) fn lend_option(&self, name: &Ident, target: &Type) -> TokenStream {
        let private = &self.private;
        if opaque_part(target).is_some() {
            quote!(#name.as_ref())
        } else {
            quote!(#private::task::lend_option::<#target, _>(&#name))
        }
    }

    /// The statements that make everything the load's own, of which the types say whether it can be.
    fn owned(&self, detached: &Detached) -> TokenStream {
        let receiver = self.plan.function.receiver().zip(detached.receiver.as_ref());
        let this = hidden("this");
        let receiver = receiver.map(|(receiver, taken)| {
            let token = receiver.self_token;
            // A method can name `Self`, whatever its receiver refers to.
            self.own(taken, &this, &token.to_token_stream(), token.span)
        });
        let arguments = self.plan.arguments.iter().zip(&detached.arguments);
        let arguments =
            arguments
                .filter(|(_, taken)| !taken.is_as_it_is())
                .map(|(Argument { name, ty, .. }, taken)| {
                    let at = match taken {
                        Taken::Lent { target, .. } | Taken::Optional { target, .. } => target.span(),
                        _ => ty.span(),
                    };
                    self.own(taken, name, &name.to_token_stream(), at)
                });
        let owned: TokenStream = receiver.into_iter().chain(arguments).collect();
        if owned.is_empty() {
            return owned;
        }
        let private = &self.private;
        quote! {
            #[allow(unused_imports)]
            use #private::task::{Fits as _, Unfits as _};
            #owned
        }
    }

    /// `to` becomes the load's own of what is called `name`. All at the place of the type, where the compiler complains.
    pub(super) fn own(&self, taken: &Taken, to: &Ident, name: &TokenStream, at: Span) -> TokenStream {
        let private = respan(&self.private, at);
        let (to, name) = (respan(&to.to_token_stream(), at_of(to, at)), respan_names(name, at));
        let kind = |probe: TokenStream| quote_spanned!(at=> (&&#private::task::#probe).kind());
        match taken {
            Taken::Given { known: true } => quote_spanned!(at=> let #to = #name;),
            Taken::Given { known: false } => {
                let kind = kind(quote_spanned!(at=> GivenProbe(&#name)));
                quote_spanned!(at=> let #to = #private::task::hand(#private::task::type_of(&#name), #kind, #name);)
            }
            Taken::Lent { known: true, .. } => {
                quote_spanned!(at=> let #to = ::std::borrow::ToOwned::to_owned(#name);)
            }
            Taken::Lent { known: false, .. } => {
                let kind = kind(quote_spanned!(at=> LentProbe(#name)));
                quote_spanned!(at=> let #to = #private::task::own(#name, #kind);)
            }
            Taken::Optional { known: true, .. } => {
                quote_spanned!(at=> let #to = #name.map(::std::borrow::ToOwned::to_owned);)
            }
            Taken::Optional { known: false, .. } => {
                let kind = kind(quote_spanned!(at=> OptionProbe(&#name)));
                quote_spanned!(at=> let #to = #private::task::own_option(#name, #kind);)
            }
            Taken::Cow { known: true } => quote_spanned!(at=> let #to = #private::task::own_cow(#name);),
            Taken::Cow { known: false } => {
                let kind = kind(quote_spanned!(at=> GivenProbe(&#to)));
                quote_spanned! {at=>
                    let #to = #private::task::own_cow(#name);
                    let #to = #private::task::hand(#private::task::type_of(&#to), #kind, #to);
                }
            }
        }
    }

    /// What the return type has to be able to do besides, for what was asked for.
    pub(super) fn failure_checks(&self) -> TokenStream {
        let Home::Static(settings) = &self.plan.home else {
            return TokenStream::new();
        };
        let returns = self.static_returns();
        let span = self.plan.returns_span();
        let private = respan(&self.private, span);
        let freshness = &settings.freshness;
        let fails = (freshness.stale_if_error.is_some() || freshness.err_ttl.is_some())
            .then(|| quote_spanned!(span=> let () = <#returns as #private::task::Fails>::OK;));
        let keeps_errors = freshness.err_ttl.is_some().then(|| {
            let kind = self.kind_type();
            quote_spanned!(span=> let () = <#returns as #private::task::KeepsErrors<#kind>>::OK;)
        });
        quote!(#fails #keeps_errors)
    }
}

/// The place, with the names that an identifier of the user's can mean.
fn at_of(name: &Ident, at: Span) -> Span {
    name.span().located_at(at)
}

fn respan_names(names: &TokenStream, at: Span) -> TokenStream {
    names
        .clone()
        .into_iter()
        .map(|mut token| {
            token.set_span(token.span().located_at(at));
            token
        })
        .collect()
}

/// The body with another name for `self`, which in a future that has it as its own cannot be called that. Items in the body
/// have a `self` of their own.
fn with_receiver(body: TokenStream, this: &Ident) -> TokenStream {
    let mut renamed = TokenStream::new();
    let mut tokens = body.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(word) if word == "self" => {
                let is_path = matches!(tokens.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == ':')
                    && is_path_next(&tokens);
                if is_path {
                    renamed.extend([TokenTree::Ident(word)]);
                } else {
                    let mut this = this.clone();
                    this.set_span(this.span().located_at(word.span()));
                    renamed.extend([TokenTree::Ident(this)]);
                }
            }
            TokenTree::Ident(word) if is_item(&word, tokens.peek()) => {
                let ends_with_brace = word != "use";
                renamed.extend([TokenTree::Ident(word)]);
                for token in tokens.by_ref() {
                    let is_end = match &token {
                        TokenTree::Group(group) => {
                            ends_with_brace && group.delimiter() == proc_macro2::Delimiter::Brace
                        }
                        TokenTree::Punct(punct) => punct.as_char() == ';',
                        _ => false,
                    };
                    renamed.extend([token]);
                    if is_end {
                        break;
                    }
                }
            }
            TokenTree::Ident(word) if word == "pub" => {
                renamed.extend([TokenTree::Ident(word)]);
                // `pub(self)`
                renamed.extend(tokens.next_if(|token| matches!(token, TokenTree::Group(_))));
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), with_receiver(group.stream(), this));
                inner.set_span(group.span());
                renamed.extend([TokenTree::Group(inner)]);
            }
            token => renamed.extend([token]),
        }
    }
    renamed
}

/// Whether two colons follow.
fn is_path_next(tokens: &std::iter::Peekable<proc_macro2::token_stream::IntoIter>) -> bool {
    let mut ahead = tokens.clone();
    let mut colon = || matches!(ahead.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    colon() && colon()
}

/// Whether an item begins with this word.
fn is_item(word: &Ident, next: Option<&TokenTree>) -> bool {
    match &*word.to_string() {
        "impl" | "trait" | "use" => true,
        "fn" => matches!(next, Some(TokenTree::Ident(_))),
        _ => false,
    }
}
