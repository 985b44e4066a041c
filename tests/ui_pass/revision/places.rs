use std::sync::Arc;

use cache_core::{cached_revision, invalidates};

pub mod db {
    use cache_core::cached_revision;

    #[cached_revision(revision = 1)]
    pub async fn public(id: u64) -> u64 {
        id
    }

    #[cached_revision(revision = 1, on_change = "stale")]
    pub(crate) async fn of_crate(id: u64) -> u64 {
        id
    }

    pub mod inner {
        #[cache_core::cached_revision(revision = super::revision())]
        pub(in crate::places) async fn deep(id: u64) -> u64 {
            id
        }
    }

    fn revision() -> u64 {
        1
    }
}

use db::{inner::deep, of_crate, public};

#[cfg(any())]
#[cached_revision(revision = nothing.revision())]
async fn left_out(nothing: &Nothing) -> u64 {
    1
}

// It may be a macro that makes something else of an `async fn`, so it sees one.
#[cached_revision(revision = 1, on_change = "stale")]
#[rustfmt::skip]
async fn beside(id: u64) -> u64 {
    id
}

#[derive(Clone)]
struct Service {
    version: Arc<u64>,
}

impl Service {
    #[cached_revision(revision = *self.version, skip(self))]
    async fn lent(&self, id: u64) -> u64 {
        id + *self.version
    }

    #[cached_revision(revision = self.version().await, skip(self), on_change = "stale")]
    pub async fn lent_stale(&self, id: u64, name: &str) -> Result<u64, String> {
        name.parse::<u64>().map(|it| it + id).map_err(|error| error.to_string())
    }

    #[cached_revision(revision = *self.version, skip(self))]
    async fn shared(self: Arc<Self>, id: u64) -> u64 {
        id + *self.version
    }

    #[cached_revision(revision = *self.version, skip(self), on_change = "stale")]
    async fn shared_stale(self: Arc<Self>, id: u64) -> u64 {
        id + *self.version
    }

    #[cached_revision(revision = *self.version, skip(self))]
    async fn given(self, id: u64) -> u64 {
        id + *self.version
    }

    #[cached_revision(revision = Self::current())]
    async fn associated(id: u64) -> u64 {
        id
    }

    #[cached_revision(revision = service.version().await, on_change = "stale")]
    async fn of_source(service: &Self, id: u64) -> u64 {
        id + *service.version
    }

    #[invalidates(Self::lent(id), Self::associated(..), Self::of_source(id))]
    async fn change(id: u64) {}

    #[invalidates(Self::lent_stale(..), Self::shared(id))]
    async fn change_by_self(&self, id: u64) {}

    async fn version(&self) -> u64 {
        *self.version
    }

    fn current() -> u64 {
        1
    }
}

struct Of<T>(T);

impl<T: Copy + Into<u64>> Of<T> {
    #[cached_revision(revision = self.0.into(), skip(self))]
    async fn get(&self, id: u64) -> u64 {
        id + self.0.into()
    }
}

trait Get {
    async fn get(&self, id: u64) -> u64;
}

impl Get for Service {
    async fn get(&self, id: u64) -> u64 {
        #[cached_revision(revision = service.version().await)]
        async fn get(service: &Service, id: u64) -> u64 {
            id + *service.version
        }
        get(self, id).await
    }
}

pub fn main() {
    futures::executor::block_on(async {
        #[cached_revision(revision = id, on_change = "stale")]
        async fn local(id: u64) -> u64 {
            id
        }

        assert_eq!((public(1).await, of_crate(1).await, deep(1).await), (1, 1, 1));
        assert_eq!((beside(1).await, local(1).await), (1, 1));
        assert!(public::peek(1).is_some() && local::last_error().is_none());

        let service = Service { version: Arc::new(5) };
        assert_eq!((service.lent(1).await, service.lent_lookup(1).await.value, service.lent_force(1).await), (6, 6, 6));
        assert_eq!((service.lent_stale(1, "2").await, service.lent_stale_force(1, "2").await), (Ok(3), Ok(3)));
        assert!(service.lent_stale_lookup(1, "2").await.is_ok());
        let shared = Arc::new(service.clone());
        assert_eq!((shared.clone().shared(1).await, shared.clone().shared_lookup(1).await.value), (6, 6));
        assert_eq!((shared.clone().shared_stale(1).await, shared.clone().shared_stale_force(1).await), (6, 6));
        assert_eq!((service.clone().given(1).await, service.clone().given_lookup(1).await.value), (6, 6));
        assert_eq!((Service::associated(1).await, Service::associated_lookup(1).await.value), (1, 1));
        assert_eq!((Service::of_source(&service, 1).await, Service::of_source_force(&service, 1).await), (6, 6));
        assert_eq!(Get::get(&service, 1).await, 6);
        assert!(Service::lent_last_error().is_none());

        assert_eq!((Service::lent_cache().len(), Service::of_source_cache().len()), (1, 1));
        Service::change(1).await;
        assert_eq!((Service::lent_cache().len(), Service::of_source_cache().len()), (0, 0));
        assert_eq!((Service::lent_stale_cache().len(), Service::shared_cache().len()), (1, 1));
        service.change_by_self(1).await;
        assert_eq!((Service::lent_stale_cache().len(), Service::shared_cache().len()), (0, 0));

        // One cache for each type.
        assert_eq!((Of(1_u8).get(1).await, Of(2_u16).get(1).await), (2, 3));
    });
}
