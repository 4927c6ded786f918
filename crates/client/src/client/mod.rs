//! The client that a face holds: an open store and the engine that runs while something needs it.

mod account;
mod alarms;
mod audit;
mod contacts;
mod conversations;
mod devices;
mod groups;
mod healing;
mod links;
mod messages;
mod policies;
mod recovery;
mod requests;
mod streams;
mod verification;
mod waiting;

pub use audit::audit_file;
pub(crate) use groups::DEVICES_AT_ONCE;
pub use links::read_link;
pub use streams::{Events, Follow};

use crate::engine::Engine;
use crate::store::Store;
use std::path::Path;

/// An account in its directory. Cheap to clone; all clones share one store and one engine.
#[derive(Clone)]
pub struct Client {
    store: Store,
    engine: Engine,
}

/// Whether the directory holds a store.
pub fn exists(dir: &Path) -> bool {
    crate::store::exists(dir)
}
