use cache_core::cached_revision;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Tenant(u64);

#[cached_revision(revision = tenant.0)]
async fn get(tenant: Tenant, id: u64) -> u64 {
    tenant.0 + id
}

fn main() {}
