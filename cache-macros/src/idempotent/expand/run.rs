//! What runs the handler: a task with everything its own, or the call itself, in the caller's transaction.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned as _;

use super::Code;
use crate::function::{Argument, hidden};
use crate::key::respan;
use crate::taken::{All, Taken};

impl Code<'_> {
    /// What runs the handler as a task, with everything its own.
    pub(super) fn by_task(&self, all: &All, store: &Ident, request: &Ident) -> TokenStream {
        let (of, returns) = (&self.of, &self.plan.returns);
        // The return type is what the compiler complains of if it cannot be stored or come back,
        let at = returns.span();
        let of_returns = respan(of, at);
        let task = quote_spanned!(at=> #of_returns::of::<#returns, _>((&&&#of_returns::returned::<#returns>()).task()));
        // and the name, if the handler cannot go to another thread.
        let at = Span::mixed_site().located_at(self.name().span());
        let owned = self.owned(all);
        let unguarded = self.companion("unguarded");
        let (home, generics, this) = (quote!(Self), self.generics(), hidden("this"));
        let receiver = all.receiver.as_ref().map(|taken| match taken {
            Taken::Lent { .. } => quote!(&#this,),
            _ => quote!(#this,),
        });
        let arguments = self.plan.arguments.iter().zip(&all.arguments);
        let passed = arguments.map(|(Argument { name, .. }, taken)| taken.passed(of, name));
        let handler = quote!(async move { #home::#unguarded #generics(#receiver #(#passed),*).await });
        let run = Ident::new("run", at);
        quote_spanned! {at=>
            #owned
            #task.#run(#store, #request, move || #handler).await
        }
    }

    /// The statements that make everything the handler's own, of which the types say whether it can be.
    fn owned(&self, all: &All) -> TokenStream {
        let (of, this) = (&self.of, hidden("this"));
        let receiver = self.plan.function.receiver().zip(all.receiver.as_ref());
        let receiver = receiver.map(|(receiver, taken)| {
            let token = receiver.self_token;
            taken.own(of, &this, &token.to_token_stream(), token.span)
        });
        let arguments = self.plan.arguments.iter().zip(&all.arguments);
        let arguments = arguments
            .filter(|(_, taken)| !taken.is_as_it_is())
            .map(|(Argument { name, ty, .. }, taken)| taken.own(of, name, &name.to_token_stream(), taken.span(ty)));
        receiver.into_iter().chain(arguments).collect()
    }

    /// What runs the handler in the caller's transaction.
    pub(super) fn inline(&self, tx: &Ident, store: &Ident, request: &Ident) -> TokenStream {
        let (of, returns) = (&self.of, &self.plan.returns);
        let argument = self.plan.arguments.iter().find(|argument| argument.name == *tx);
        let at = argument.map_or_else(|| tx.span(), |argument| argument.ty.span());
        let of_lent = respan(&quote!(#of::lent), at);
        let lent = quote_spanned!(at=> #of_lent(&mut *#tx));
        // The return type is what the compiler complains of if it cannot be stored.
        let at = returns.span();
        let [outcome, ticket, result, transaction] =
            ["outcome", "ticket", "result", "transaction"].map(|name| hidden_at(name, at));
        let (store, request) = (hidden_at(&store.to_string(), at), hidden_at(&request.to_string(), at));
        let begin = respan(&quote!(#of::begin), at);
        let begun = quote_spanned!(at=> #begin::<#returns>(&#store, #transaction, #request).await);
        let unguarded = self.call_in(tx);
        quote! {
            let #transaction = #lent;
            match #begun {
                ::core::ops::ControlFlow::Break(#outcome) => #outcome,
                ::core::ops::ControlFlow::Continue(#ticket) => {
                    let #result: #returns = #unguarded.await;
                    #ticket.end(#lent, #result).await
                }
            }
        }
    }

    /// Calls the handler with a transaction that is needed again.
    fn call_in(&self, tx: &Ident) -> TokenStream {
        let (unguarded, generics) = (self.companion("unguarded"), self.generics());
        let arguments = self.plan.arguments.iter().map(|Argument { name, .. }| {
            if name == tx {
                quote!(&mut *#name)
            } else {
                name.to_token_stream()
            }
        });
        match self.plan.function.receiver() {
            Some(receiver) => {
                let receiver = receiver.self_token;
                quote!(#receiver.#unguarded #generics(#(#arguments),*))
            }
            None => quote!(Self::#unguarded #generics(#(#arguments),*)),
        }
    }
}

/// A hidden identifier at some place of the user's.
fn hidden_at(name: &str, at: Span) -> Ident {
    Ident::new(name, Span::mixed_site().located_at(at))
}
