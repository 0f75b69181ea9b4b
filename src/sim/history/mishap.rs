//! What goes wrong with one step.

use std::time::Duration;

use fastrand::Rng;

use super::desk::Step;
use super::faults::{Faults, Trouble};
use crate::sim::api::Fault;

/// Of a hundred requests, how many meet something.
const REQUESTS: u8 = 4;
/// Of a hundred answers.
const ANSWERS: u8 = 2;
/// Of a hundred hook tools.
const TOOLS: u8 = 1;

/// What goes wrong with a step that is let through, and what it is called.
pub(super) fn draw(step: &Step, faults: Faults, rng: &mut Rng) -> Option<(&'static str, Fault)> {
    match step {
        Step::Request(record) if faults.has(Trouble::Api) && rng.u8(..100) < REQUESTS => {
            Some(request(record.writes(), rng))
        }
        Step::Answer(_) if faults.has(Trouble::Api) && rng.u8(..100) < ANSWERS => {
            Some(if rng.bool() {
                ("answer lost", Fault::Refuse)
            } else {
                ("answer slow", Fault::Delay(slow(rng)))
            })
        }
        Step::Tool(_) if faults.has(Trouble::Juju) && rng.u8(..100) < TOOLS => {
            Some(("hook tool fails", Fault::Refuse))
        }
        _ => None,
    }
}

fn slow(rng: &mut Rng) -> Duration {
    Duration::from_millis(rng.u64(100..14_000))
}

fn request(writes: bool, rng: &mut Rng) -> (&'static str, Fault) {
    match rng.u8(..if writes { 8 } else { 5 }) {
        0 => (
            "request refused with 429",
            status(429, "TooManyRequests", Some(rng.u32(1..3))),
        ),
        1 => (
            "request refused with 500",
            status(500, "InternalError", None),
        ),
        2 => (
            "request refused with 503",
            status(503, "ServiceUnavailable", None),
        ),
        3 => ("connection refused", Fault::Refuse),
        4 => ("request slow", Fault::Delay(slow(rng))),
        5 => ("request refused with 409", status(409, "Conflict", None)),
        _ => ("answer lost", Fault::DropReplyAfterEffect),
    }
}

fn status(code: u16, reason: &str, retry_after: Option<u32>) -> Fault {
    Fault::Status {
        code,
        reason: reason.to_owned(),
        retry_after,
    }
}
