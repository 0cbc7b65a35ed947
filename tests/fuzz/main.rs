//! Inputs that no user would write: seeded changes of good ones, and every number at its ends. Whatever comes in, the answer
//! is a result or a typed complaint of bounded size, never a panic.
//!
//! One file per kind of input. By default each takes about two seconds; `MESHFAULT_FUZZ_S=600` gives each so many seconds.

mod experiments;
mod parameters;
mod results;
mod segments;
mod stored;
mod support;
