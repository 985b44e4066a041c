//! Loads that run as tasks of their own: what goes to them, and what runs them.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Pat, Receiver, Type};

use super::super::check::{Home, Placement};
use super::super::detached::Detached;
use super::Code;
use super::receiver::with_receiver;
use crate::function::{Argument, hidden, names_ident, opaque_part};
use crate::key::respan;
use crate::taken::{Taken, lend_option};

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

    /// What a task needs, of which the first arguments are given, and the load is the last.
    pub(super) fn by_task(
        &self,
        detached: &Detached,
        (verb, given): (&TokenStream, &TokenStream),
        load: &TokenStream,
        end: &TokenStream,
    ) -> TokenStream {
        let (private, returns) = (&self.private, &self.plan.returns);
        let (keep_if, on_timeout) = (self.keep_if(), self.on_timeout());
        // The return type is what the compiler complains of if it cannot come back from another thread,
        let of_task = respan(&quote!(#private::task), returns.span());
        let task =
            quote_spanned!(returns.span()=> #of_task::of::<#returns, _>((&&&#of_task::returned::<#returns>()).task()));
        // and the word, if the load cannot go there.
        let at = Span::mixed_site().located_at(detached.keyword.span());
        let verb = respan(verb, at);
        let call = quote_spanned!(at=> #task.#verb(#given, #keep_if, #on_timeout, #load));
        quote!({
            use #private::task::probes::*;
            #call #end
        })
    }

    /// The same where the first look was made before, awaited: it borrows the cache.
    pub(super) fn load_by_task(
        &self,
        detached: &Detached,
        given: &TokenStream,
        home: &TokenStream,
        load: &TokenStream,
    ) -> TokenStream {
        let labels = match self.labels(home) {
            Some(labels) => quote!(::core::option::Option::Some(#labels)),
            None => quote!(::core::option::Option::None),
        };
        let given = quote!(#given, #labels);
        self.by_task(detached, (&quote!(load), &given), load, &quote!(.await))
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
            Home::Given(_) => quote!((&&#private::task::returned::<#returns>()).on_timeout()),
        }
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
        let of_task = self.of_task();
        let passed = arguments.map(|(Argument { name, .. }, taken)| taken.passed(&of_task, name));
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
    pub(super) fn load_of_its_own_inline(&self, detached: &Detached, body: TokenStream) -> TokenStream {
        let owned = self.owned(detached);
        let lent = self
            .needed(detached)
            .filter_map(|(Argument { name, .. }, taken)| match taken {
                Taken::Lent { target, .. } => {
                    let target = opaque_part(target).is_none().then(|| quote!(: &#target));
                    Some(quote!(let #name #target = &#name;))
                }
                Taken::Optional { target, .. } => {
                    let lent = self.lend_option(name, target);
                    Some(quote!(let #name = #lent;))
                }
                Taken::Given { .. } | Taken::Cow { .. } => None,
            });
        let this = hidden("this");
        let receiver = self.needed_receiver(detached).map(|(receiver, taken)| {
            if let Taken::Lent { .. } = taken {
                return quote!(let #this = &#this;);
            }
            let mutability = receiver.mutability;
            quote!(let #mutability #this = #this;)
        });
        let body = if receiver.is_some() {
            with_receiver(body, &this)
        } else {
            body
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

    /// The arguments that the load needs: all, if it calls the uncached function, and those that it names, if it is the body.
    fn needed<'d>(&self, detached: &'d Detached) -> impl Iterator<Item = (&'p Argument, &'d Taken)> {
        let body = self.inline_body();
        let arguments = self.plan.arguments.iter().zip(&detached.arguments);
        arguments.filter(move |(argument, _)| {
            let is_taken_apart =
                !argument.is_named || matches!(&argument.pat, Pat::Ident(pat) if pat.mutability.is_some());
            is_taken_apart
                || body
                    .as_ref()
                    .is_none_or(|body| names_ident(body.clone(), &argument.name.to_string()))
        })
    }

    /// The same of `self`.
    fn needed_receiver<'d>(&self, detached: &'d Detached) -> Option<(&'p Receiver, &'d Taken)> {
        let receiver = self.plan.function.receiver().zip(detached.receiver.as_ref())?;
        let is_needed = self.inline_body().is_none_or(|body| names_ident(body, "self"));
        is_needed.then_some(receiver)
    }

    /// The body, if it is what the load runs.
    fn inline_body(&self) -> Option<TokenStream> {
        let body = self.plan.function.body.as_ref()?.stream();
        (self.plan.placement == Placement::Alone).then_some(body)
    }

    /// What has the parts of a task.
    fn of_task(&self) -> TokenStream {
        let private = &self.private;
        quote!(#private::task)
    }

    pub(super) fn lend_option(&self, name: &Ident, target: &Type) -> TokenStream {
        lend_option(&self.of_task(), name, target)
    }

    pub(super) fn own(&self, taken: &Taken, to: &Ident, name: &TokenStream, at: Span) -> TokenStream {
        taken.own(&self.of_task(), to, name, at)
    }

    /// The statements that make everything the load's own, of which the types say whether it can be.
    fn owned(&self, detached: &Detached) -> TokenStream {
        let this = hidden("this");
        let receiver = self.needed_receiver(detached).map(|(receiver, taken)| {
            let token = receiver.self_token;
            self.own(taken, &this, &token.to_token_stream(), token.span)
        });
        let arguments = self
            .needed(detached)
            .filter(|(_, taken)| !taken.is_as_it_is())
            .map(|(Argument { name, ty, .. }, taken)| self.own(taken, name, &name.to_token_stream(), taken.span(ty)));
        receiver.into_iter().chain(arguments).collect()
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
