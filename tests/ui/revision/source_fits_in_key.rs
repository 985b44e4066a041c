use cache_core::cached_revision;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Tenant(u64);

impl Tenant {
    async fn revision(&self) -> u64 {
        self.0
    }
}

#[cached_revision(revision = tenant.revision())]
async fn get(tenant: &Tenant, id: u64) -> u64 {
    tenant.0 + id
}

fn main() {}
