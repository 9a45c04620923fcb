//! The engine: brings Box and the tree together. A planner that is a pure function, a synchronous core that remembers what is
//! on its way, executors that perform its effects (DESIGN.md sections 2, 3 and 6).

mod backoff;
mod call;
mod core;
mod effect;
mod planner;
mod translate;

pub use core::{Core, OpenProbe, Outage};
pub use effect::{Answer, Effect, Event, SealResult};
pub use planner::{OpenState, hold_reason};
