//! Looking again for a short while: once, since a model has no time that passes.

/// Looks once. What others do meanwhile, the model's order of actors brings about.
pub(crate) fn look<R>(_looks: u32, mut look: impl FnMut() -> Option<R>) -> Option<R> {
    look()
}

/// Looks once.
pub(crate) fn contend<R>(mut look: impl FnMut() -> Option<R>) -> Option<R> {
    look()
}

/// Looks once.
pub(crate) fn linger<R>(_looks: u32, _pace: u32, mut look: impl FnMut() -> Option<R>) -> Option<R> {
    look()
}
