//! The contract of backends, on the embedded one.

mod memory {
    use cache_core::idempotency::MemoryBackend;

    cache_core::idempotency_contract!(MemoryBackend::new());
}
