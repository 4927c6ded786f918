//! A relay and clients at work: many members at once, and one who was away.

pub mod catch_up;
pub mod crowd;
pub mod log;
pub mod relay;
pub mod stage;
pub mod wire;

pub use crowd::{Crowd, Rates, Until};
pub use stage::Stage;
