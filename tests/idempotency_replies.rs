//! What is stored of what handlers return, and what is not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use cache_core::idempotency::{Backend, IdempotencyError, IdempotencyStore, MemoryBackend, NoReply, Outcome, Request};

type Run<T> = Result<Outcome<T>, IdempotencyError>;

fn store() -> IdempotencyStore {
    IdempotencyStore::new(MemoryBackend::new())
}

fn request() -> Request {
    Request::new("orders::create")
        .scope("acme", "ada")
        .key("8e03978e")
        .payload("shoes")
}

/// An error that can be stored.
#[derive(Debug, PartialEq)]
enum PayError {
    Declined(String),
    Timeout,
    Replay(String),
}

impl From<IdempotencyError> for PayError {
    fn from(error: IdempotencyError) -> Self {
        Self::Replay(error.to_string())
    }
}

impl serde::Serialize for PayError {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Declined(why) => serializer.serialize_str(why),
            _ => Err(serde::ser::Error::custom("secret")),
        }
    }
}

impl<'de> serde::Deserialize<'de> for PayError {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::Declined)
    }
}

async fn pays<B: Backend>(
    store: &IdempotencyStore<B>,
    request: Request,
    result: Result<u64, PayError>,
) -> Result<Outcome<u64>, PayError> {
    store.run(request, move || async move { result }).await
}

#[tokio::test]
async fn errors_are_stored_that_the_store_is_told_to() {
    let store = IdempotencyStore::builder(MemoryBackend::new())
        .store_error(|error: &PayError| matches!(error, PayError::Declined(_)))
        .build()
        .unwrap();
    assert_eq!(
        pays(&store, request(), Err(PayError::Timeout)).await,
        Err(PayError::Timeout)
    );
    let declined = || Err(PayError::Declined("no money".to_owned()));
    assert_eq!(
        pays(&store, request(), Err(PayError::Declined("no money".to_owned()))).await,
        declined()
    );
    assert_eq!(pays(&store, request(), Ok(7)).await, declined(), "it is replayed");
    assert_eq!((store.stats().fresh, store.stats().replayed), (2, 1));
    // Of another type nothing is stored.
    let other: Run<u64> = store
        .run(request().key("other"), || async { Err(IdempotencyError::EmptyKey) })
        .await;
    other.unwrap_err();
    assert_eq!(store.backend().len(), 1);
}

#[tokio::test]
async fn a_request_says_itself_which_errors_are_stored() {
    let store = IdempotencyStore::builder(MemoryBackend::new())
        .store_error(|_: &PayError| false)
        .build()
        .unwrap();
    let request = || request().store_error(|_: &PayError| true);
    pays(&store, request(), Err(PayError::Declined("no".to_owned())))
        .await
        .unwrap_err();
    let replayed = pays(&store, request(), Ok(7)).await;
    assert_eq!(replayed, Err(PayError::Declined("no".to_owned())));
}

#[tokio::test]
async fn a_stored_error_that_cannot_be_serialised_is_not_run_again() {
    let store = store();
    let request = || request().store_error(|_: &PayError| true);
    assert_eq!(
        pays(&store, request(), Err(PayError::Timeout)).await,
        Err(PayError::Timeout)
    );
    let repeat = pays(&store, request(), Ok(7)).await.unwrap_err();
    assert!(
        matches!(&repeat, PayError::Replay(why) if why.contains("could not be serialised") && !why.contains("secret"))
    );
}

#[tokio::test]
async fn a_reply_that_is_too_large_is_returned_once_and_not_run_again() {
    let store = IdempotencyStore::builder(MemoryBackend::new())
        .max_response_bytes(10)
        .build()
        .unwrap();
    let (fits, too_large) = ("12345678", "123456789");
    for (key, reply) in [("a", fits), ("b", too_large)] {
        let run = async || -> Run<String> {
            store
                .run(request().key(key), move || async move { Ok(reply.to_owned()) })
                .await
        };
        assert_eq!(run().await.unwrap(), Outcome::Fresh(reply.to_owned()));
        let repeat = run().await;
        if reply == fits {
            assert_eq!(repeat.unwrap(), Outcome::Replayed(reply.to_owned()));
        } else {
            let error = repeat.unwrap_err();
            assert!(
                matches!(
                    error,
                    IdempotencyError::NoReply {
                        why: NoReply::TooLarge,
                        ..
                    }
                ),
                "{error:?}"
            );
            assert_eq!(error.has_run(), Some(true));
        }
    }
    assert_eq!(store.stats().fresh, 2);
}

#[tokio::test]
async fn a_reply_that_cannot_be_serialised_is_returned_once_and_not_run_again() {
    #[derive(Debug, PartialEq)]
    struct Handle(u64);
    impl serde::Serialize for Handle {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("the secret of a handle"))
        }
    }
    impl<'de> serde::Deserialize<'de> for Handle {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            u64::deserialize(deserializer).map(Self)
        }
    }
    let store = store();
    let run = async || -> Run<Handle> { store.run(request(), || async { Ok(Handle(7)) }).await };
    assert_eq!(run().await.unwrap(), Outcome::Fresh(Handle(7)));
    let error = run().await.unwrap_err();
    assert!(
        matches!(
            error,
            IdempotencyError::NoReply {
                why: NoReply::Unserializable,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(!format!("{error} {error:?}").contains("secret"));
}

#[tokio::test]
async fn a_reply_of_another_type_is_an_error_that_does_not_show_it() {
    let store = store();
    let secret: Run<String> = store.run(request(), || async { Ok("secret".to_owned()) }).await;
    secret.unwrap();
    let number: Run<u64> = store.run(request(), || async { Ok(7) }).await;
    let error = number.unwrap_err();
    assert!(
        matches!(
            error,
            IdempotencyError::NoReply {
                why: NoReply::Unreadable,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(!format!("{error} {error:?}").contains("secret"));
}
