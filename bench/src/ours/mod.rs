//! brigade's own cases. Their partners are started with brigade too.

pub(crate) mod batch;
pub(crate) mod channel;
pub(crate) mod data;
pub(crate) mod hand_off;
pub(crate) mod loan;
pub(crate) mod lock;
pub(crate) mod payload;
pub(crate) mod pool;
pub(crate) mod worker;
