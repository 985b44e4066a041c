//! A function that loads many keys at once: its uncached form is as it was written, and all else is for one key, or for several
//! by `many`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned as _;

use super::super::batch::Batch;
use super::super::check::{Key, Placement};
use super::Code;
use super::companions::{count_of, duration};
use crate::function::{Argument, hidden, with_static_lifetimes};
use crate::key::{Part, respan};
use crate::taken::Taken;

impl<'p> Code<'p> {
    pub(super) fn batch(&self) -> Option<&'p Batch> {
        self.plan.batch.as_ref()
    }

    /// The part of the key, of which there is one.
    fn key_part(&self) -> Option<&'p Part> {
        match &self.plan.key {
            Key::Parts(parts) => parts.first().map(|(_, part)| part),
            Key::Exprs(_) => None,
        }
    }

    /// What it returns, as it was written.
    fn whole_returns(batch: &Batch) -> Type {
        batch
            .whole
            .returns()
            .map_or_else(|| syn::parse_quote!(()), with_static_lifetimes)
    }

    fn fits(&self, batch: &Batch) -> TokenStream {
        let key_fits = self
            .key_part()
            .map_or_else(|| quote!(false), |part| part.fits(&self.private));
        batch.fits(&self.private, &Self::whole_returns(batch), &key_fits)
    }

    /// The statements that complain of a return type that is not one of batches.
    pub(super) fn batch_checks(&self, batch: &Batch) -> TokenStream {
        let (returns, element) = (Self::whole_returns(batch), &batch.element);
        let span = batch
            .whole
            .returns()
            .map_or_else(Span::call_site, syn::spanned::Spanned::span);
        let flaw = batch.flaw(&self.private, &returns);
        let private = respan(&self.private, span);
        quote_spanned! {span=>
            let () = <#returns as #private::batch::IsBatch<#element, #private::Kind<#flaw>>>::OK;
            let () = <#returns as #private::batch::KeepsValues<#private::Kind<#flaw>>>::OK;
            let () = <#returns as #private::batch::SharesError<#private::Kind<#flaw>>>::OK;
        }
    }

    /// The call that looks, and on a miss has a batch load.
    pub(super) fn batch_call(&self, batch: &Batch, is_refresh: &TokenStream, home: &TokenStream) -> TokenStream {
        let (private, elements, cache) = (&self.private, self.batch_elements(), self.batch_cache(home));
        let (batches, on_timeout) = (self.companion("batches", true), self.on_timeout());
        let body = self.batch_body(batch, home);
        let names = self.kept().map(|argument| &argument.name);
        quote! {
            #private::batch::call::<#elements, _, _, _, _>(
                #cache, #home::#batches(), #is_refresh, (#(#names,)*), #on_timeout, #body,
            )
        }
    }

    fn batch_elements(&self) -> TokenStream {
        let part = self.key_part().map(|part| part.element(&self.private));
        quote!((#part,))
    }

    fn batch_cache(&self, home: &TokenStream) -> TokenStream {
        let cache = self.companion("cache", false);
        quote!(#home::#cache())
    }

    /// `many`, and where the batches are.
    pub(super) fn batch_companions(&self, batch: &Batch) -> TokenStream {
        let (private, vis) = (&self.private, &self.plan.function.vis);
        let attrs = self.companion_attrs();
        let home = quote!(Self);
        let (key, value) = match (self.typed(), &self.plan.key) {
            (Some(_), _) => (
                quote!(#private::handle::Key<Self>),
                quote!(#private::handle::Kept<Self>),
            ),
            (None, Key::Parts(parts)) => (self.owned_key(parts), self.value_type()),
            (None, Key::Exprs(_)) => return TokenStream::new(),
        };
        let batches = self.companion("batches", true);
        let owner = if self.plan.placement == Placement::Impl {
            quote!(#private::owner::<Self>())
        } else {
            quote!(#private::owner::<()>())
        };
        let (window, most, keep_if) = (
            duration(&batch.window),
            count_of(&batch.most, "__CACHE_MAX_BATCH"),
            self.keep_if(),
        );

        let many = self.companion("many", false);
        let (elements, cache) = (self.batch_elements(), self.batch_cache(&home));
        let (on_timeout, body) = (self.on_timeout(), self.batch_body(batch, &home));
        let (returns, element, fits) = (Self::whole_returns(batch), &batch.element, self.fits(batch));
        let lent = self.key_part().map(Part::lent);
        let argument = &self.plan.arguments[batch.at].name;
        let mut sig = self.plan.function.forwarding_signature(&self.plan.arguments);
        sig.asyncness = None;
        let mut at = 0;
        for input in &mut sig.inputs {
            if let syn::FnArg::Typed(typed) = input {
                if at == batch.at {
                    *typed.ty = syn::parse_quote!(impl ::core::iter::IntoIterator<Item: #private::Lend<#lent>>);
                }
                at += 1;
            }
        }
        sig.ident = many;
        sig.output = syn::parse_quote! {
            -> impl ::core::future::Future<Output = #private::batch::Many<#returns, #element, #key, #fits>>
        };
        quote! {
            #attrs
            #[doc(hidden)]
            fn #batches() -> &'static #private::batch::Shared<#key, #value> {
                static SLOT: #private::Slot = #private::Slot::new();
                SLOT.get(#owner, || #private::batch::new(#window, #most, #keep_if))
            }

            #attrs
            #[doc = "The values of several keys, of those that have one. What is not in the cache goes into as few batches as \
                     there is room in."]
            #vis #sig {
                #private::batch::many::<#elements, _, _, _, _>(#cache, Self::#batches(), #argument, #on_timeout, #body)
            }
        }
    }

    /// A closure that makes the body, with all that it needs its own: each time anew, because the caller may have to bring
    /// more than one.
    fn batch_body(&self, batch: &Batch, home: &TokenStream) -> TokenStream {
        let private = &self.private;
        let Some(detached) = self.detached() else {
            return TokenStream::new();
        };
        let (this, keys) = (hidden("this"), hidden("keys"));
        let receiver = self.plan.function.receiver().zip(detached.receiver.as_ref());
        let own_receiver = receiver.map(|(receiver, taken)| {
            let token = receiver.self_token;
            self.own_again(taken, &this, &token.to_token_stream(), token.span)
        });
        let arguments = || {
            let arguments = self.plan.arguments.iter().zip(&detached.arguments);
            arguments
                .enumerate()
                .map(|(at, (argument, taken))| (at == batch.at, argument, taken))
        };
        let own = arguments()
            .filter(|(is_keys, ..)| !is_keys)
            .map(|(_, Argument { name, ty, .. }, taken)| {
                let at = match taken {
                    Taken::Lent { target, .. } | Taken::Optional { target, .. } => target.span(),
                    _ => ty.span(),
                };
                self.own_again(taken, name, &name.to_token_stream(), at)
            });
        let owned: TokenStream = own_receiver.into_iter().chain(own).collect();
        let pass_receiver = receiver.map(|(_, taken)| match taken {
            Taken::Lent { .. } => quote!(&#this,),
            _ => quote!(#this,),
        });
        let passed = arguments().map(|(is_keys, Argument { name, .. }, taken)| match taken {
            _ if is_keys && batch.is_lent => quote!(&#keys),
            _ if is_keys => keys.to_token_stream(),
            Taken::Lent { .. } => quote!(&#name),
            Taken::Optional { target, .. } => self.lend_option(name, target),
            Taken::Given { .. } | Taken::Cow { .. } => name.to_token_stream(),
        });
        let uncached = self.companion("uncached", false);
        let (returns, element, fits) = (Self::whole_returns(batch), &batch.element, self.fits(batch));
        quote! {
            move || {
                #[allow(unused_imports)]
                use #private::task::{Fits as _, Unfits as _};
                #owned
                #private::batch::body::<_, #element, _, _, #fits>(
                    ::core::marker::PhantomData::<#returns>,
                    move |#keys| async move { #home::#uncached(#pass_receiver #(#passed),*).await },
                )
            }
        }
    }

    /// `to` becomes the body's own of what is called `name`, which stays where it is.
    fn own_again(&self, taken: &Taken, to: &Ident, name: &TokenStream, at: Span) -> TokenStream {
        let given = quote_spanned!(at=> &#name);
        match taken {
            Taken::Given { known: true } => quote!(let #to = ::core::clone::Clone::clone(&#name);),
            Taken::Given { known: false } => {
                let target = quote!(Self);
                let taken = Taken::Lent {
                    target: syn::parse_quote!(#target),
                    known: false,
                };
                self.own(&taken, to, &given, at)
            }
            Taken::Cow { .. } => {
                let private = &self.private;
                quote!(let #to = #private::task::own_cow(::core::clone::Clone::clone(&#name));)
            }
            Taken::Lent { .. } | Taken::Optional { .. } => self.own(taken, to, name, at),
        }
    }
}
