//! What a task takes along that may outlive the call which starts it.
//!
//! It runs on any thread, with everything its own. What a call was given goes to it, and of what a call was lent it gets a
//! copy; where that cannot be done, what stands here says so, as far as it can be seen in the tokens. The rest the types say
//! (`__private::task`, `__private::idempotent`).

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{GenericArgument, PathArguments, ReceiverKind, Type};

use crate::error::Errors;
use crate::function::{Argument, Function, borrowed_part, opaque_part, readable};
use crate::key::{is_plain, is_primitive, respan};

/// How an argument comes to be the task's own. Of those that are `known` the types need not be asked.
pub(crate) enum Taken {
    /// It is already.
    Given {
        known: bool,
    },
    /// By a copy of what it refers to.
    Lent {
        target: Type,
        known: bool,
    },
    /// The same, if it refers to anything.
    Optional {
        target: Type,
        known: bool,
    },
    Cow {
        known: bool,
    },
}

impl Taken {
    /// Whether there is something to do about it.
    pub(crate) fn is_as_it_is(&self) -> bool {
        matches!(self, Self::Given { known: true })
    }

    /// Takes a declared type apart, or gives the part that borrows.
    pub(crate) fn of(declared: &Type) -> Result<Self, TokenStream> {
        let whole = || declared.to_token_stream();
        let owned = |ty: &Type| borrowed_part(ty).map_or(Ok(()), Err);
        match peel(declared) {
            Type::Reference(reference) if reference.mutability.is_some() => Err(whole()),
            // For as long as there is anything.
            Type::Reference(_) if borrowed_part(declared).is_none() => Ok(Self::Given {
                known: lent_by(declared).is_some_and(is_known),
            }),
            Type::Reference(reference) => {
                let target = peel(&reference.elem).clone();
                owned(&target)?;
                let known = is_known(&target);
                Ok(Self::Lent { target, known })
            }
            other => match of_one(other) {
                Some((name, of)) if name == "Option" && lent_by(of).is_some() && borrowed_part(of).is_some() => {
                    let target = lent_by(of).unwrap_or(of).clone();
                    owned(&target)?;
                    let known = is_known(&target);
                    Ok(Self::Optional { target, known })
                }
                Some((name, of)) if name == "Cow" && borrowed_part(other).is_some() => {
                    owned(of)?;
                    Ok(Self::Cow { known: is_known(of) })
                }
                _ => owned(other).map(|()| Self::Given { known: is_known(other) }),
            },
        }
    }

    /// The same for `self`.
    fn of_receiver(function: &Function) -> Option<Result<Self, TokenStream>> {
        let receiver = function.receiver()?;
        let target: Type = syn::parse_quote!(Self);
        Some(match &receiver.kind {
            ReceiverKind::Reference(_, _, Some(_)) => Err(receiver.to_token_stream()),
            ReceiverKind::Reference(..) => Ok(Self::Lent { target, known: false }),
            ReceiverKind::Typed(_, ty) => Self::of(ty),
            _ => Ok(Self::Given { known: false }),
        })
    }

    /// `to` becomes the task's own of what is called `name`, by what `of` has for that. All at the place of the type, where the
    /// compiler complains.
    pub(crate) fn own(&self, of: &TokenStream, to: &Ident, name: &TokenStream, at: Span) -> TokenStream {
        let of = respan(of, at);
        let (to, name) = (respan(&to.to_token_stream(), at_of(to, at)), respan_names(name, at));
        let kind = |probe: TokenStream| quote_spanned!(at=> (&&#of::#probe).kind());
        match self {
            Self::Given { known: true } => quote_spanned!(at=> let #to = #name;),
            Self::Given { known: false } => {
                let kind = kind(quote_spanned!(at=> GivenProbe(&#name)));
                quote_spanned!(at=> let #to = #of::hand(#of::type_of(&#name), #kind, #name);)
            }
            Self::Lent { known: true, .. } => {
                quote_spanned!(at=> let #to = ::std::borrow::ToOwned::to_owned(#name);)
            }
            Self::Lent { known: false, .. } => {
                let kind = kind(quote_spanned!(at=> LentProbe(#name)));
                quote_spanned!(at=> let #to = #of::own(#name, #kind);)
            }
            Self::Optional { known: true, .. } => {
                quote_spanned!(at=> let #to = #name.map(::std::borrow::ToOwned::to_owned);)
            }
            Self::Optional { known: false, .. } => {
                let kind = kind(quote_spanned!(at=> OptionProbe(#name)));
                quote_spanned!(at=> let #to = #of::own_option(#name, #kind);)
            }
            Self::Cow { known: true } => quote_spanned!(at=> let #to = #of::own_cow(#name);),
            Self::Cow { known: false } => {
                let kind = kind(quote_spanned!(at=> GivenProbe(&#to)));
                quote_spanned! {at=>
                    let #to = #of::own_cow(#name);
                    let #to = #of::hand(#of::type_of(&#to), #kind, #to);
                }
            }
        }
    }

    /// How it is handed on, from what is the task's own, to a function that takes what the call was given.
    pub(crate) fn passed(&self, of: &TokenStream, name: &Ident) -> TokenStream {
        match self {
            Self::Lent { .. } => quote!(&#name),
            Self::Optional { target, .. } => lend_option(of, name, target),
            Self::Given { .. } | Self::Cow { .. } => name.to_token_stream(),
        }
    }

    /// The place of an argument's type, where the compiler complains.
    pub(crate) fn span(&self, ty: &Type) -> Span {
        use syn::spanned::Spanned as _;
        match self {
            Self::Lent { target, .. } | Self::Optional { target, .. } => target.span(),
            Self::Given { .. } | Self::Cow { .. } => ty.span(),
        }
    }
}

/// Lends what may not be there.
pub(crate) fn lend_option(of: &TokenStream, name: &Ident, target: &Type) -> TokenStream {
    if opaque_part(target).is_some() {
        quote!(#name.as_ref())
    } else {
        quote!(#of::lend_option::<#target, _>(&#name))
    }
}

/// All that a function is called with.
pub(crate) struct All {
    pub(crate) receiver: Option<Taken>,
    pub(crate) arguments: Vec<Taken>,
}

impl All {
    /// Takes it, or notes what cannot go along, where `outlives` says of what that is true and why.
    pub(crate) fn of(function: &Function, arguments: &[Argument], outlives: &str, errors: &mut Errors) -> Option<Self> {
        let receiver = Taken::of_receiver(function).map(|taken| {
            taken.map_err(|part| {
                let receiver = function.receiver().to_token_stream();
                errors.at(receiver, lent_message("self", &part, outlives));
            })
        });
        let taken: Vec<_> = arguments
            .iter()
            .map(|argument| {
                Taken::of(&argument.ty).map_err(|part| {
                    let name = argument.pat.to_token_stream().to_string();
                    let name = name.strip_prefix("mut ").unwrap_or(&name);
                    errors.at(&argument.ty, lent_message(name, &part, outlives));
                })
            })
            .collect();
        Some(Self {
            receiver: receiver.and_then(Result::ok),
            arguments: taken.into_iter().collect::<Result<_, _>>().ok()?,
        })
    }
}

/// Why an argument cannot go along, and what can.
fn lent_message(name: &str, part: &TokenStream, outlives: &str) -> String {
    let borrow = readable(part);
    let (holds, instead) = match borrow.strip_prefix("&mut ") {
        _ if name == "self" => (
            String::new(),
            "take `&self`, of a type that is `Clone`, or `self: Arc<Self>`".to_owned(),
        ),
        Some(of) => (String::new(), format!("take `{of}` by value, or an `Arc<Mutex<{of}>>`")),
        None if borrow.ends_with("str") => (format!("holds `{borrow}`, which "), "take `String` there".to_owned()),
        None => (
            format!("holds `{borrow}`, which "),
            "take something owned, or an `Arc`".to_owned(),
        ),
    };
    format!("`{name}` {holds}is lent to the call, and {outlives}: {instead}")
}

fn peel(ty: &Type) -> &Type {
    match ty {
        Type::Paren(inner) => peel(&inner.elem),
        Type::Group(inner) => peel(&inner.elem),
        other => other,
    }
}

/// What a shared reference refers to.
fn lent_by(ty: &Type) -> Option<&Type> {
    match peel(ty) {
        Type::Reference(reference) if reference.mutability.is_none() => Some(peel(&reference.elem)),
        _ => None,
    }
}

/// The name of a type with one type argument, and that.
fn of_one(ty: &Type) -> Option<(&Ident, &Type)> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    let mut types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    match (types.next(), types.next()) {
        (Some(of), None) => Some((&last.ident, of)),
        _ => None,
    }
}

/// Whether it needs no asking that a task can have one of its own.
fn is_known(ty: &Type) -> bool {
    is_primitive(ty) || ["str", "String"].iter().any(|word| is_plain(peel(ty), word))
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
