//! Where everything that a running hook asks for waits to be let through.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::oneshot;

use crate::sim::api::{Fault, Passage, RequestRecord};

/// What waits.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A request that is not carried out yet.
    Request(RequestRecord),
    /// The answer to one that is.
    Answer(RequestRecord),
    /// A hook tool that has not run yet.
    Tool(String),
    /// The answer of one that has.
    ToolAnswer(String),
    /// The end of the hook: it has nothing left to do.
    Exit,
}

impl Step {
    /// Whether something takes effect when it is let through.
    pub(super) fn acts(&self) -> bool {
        matches!(self, Self::Request(_) | Self::Tool(_))
    }

    /// Whether letting it through may change the store, or what Juju shows at once.
    fn writes(&self) -> bool {
        match self {
            Self::Request(record) => record.writes(),
            Self::Tool(call) => call.starts_with("status-set") || call.starts_with("action-"),
            Self::Answer(_) | Self::ToolAnswer(_) | Self::Exit => false,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(record) => write!(f, "{}", Brief(record)),
            Self::Answer(record) => write!(f, "{} -> {}", Brief(record), record.status),
            Self::Tool(call) => f.write_str(call),
            Self::ToolAnswer(call) => write!(f, "{call} -> done"),
            Self::Exit => f.write_str("exit"),
        }
    }
}

/// A request as a happening names it: `APPLY bgppeers/calico-1-10.0.0.1`.
struct Brief<'r>(&'r RequestRecord);

impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = format!("{:?}", self.0.verb).to_uppercase();
        write!(f, "{verb} {}", brief(&self.0.path))
    }
}

/// The end of a path: kind and name, without group and namespace.
pub(super) fn brief(path: &str) -> &str {
    let rest = path.strip_prefix("/apis/").or(path.strip_prefix("/api/"));
    let Some(rest) = rest else {
        return path;
    };
    let parts = if path.starts_with("/apis/") { 2 } else { 1 };
    let mut rest = rest.splitn(parts + 1, '/').last().unwrap_or(rest);
    if let Some(namespaced) = rest.strip_prefix("namespaces/")
        && let Some((_, object)) = namespaced.split_once('/')
    {
        rest = object;
    }
    rest
}

/// What is known of a step that waits without looking at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) number: u64,
    /// The running hook it belongs to.
    pub(super) hook: u64,
    /// Whether something takes effect when it is let through.
    pub(super) acts: bool,
    /// Whether the store or the unit's status may change then.
    pub(super) writes: bool,
}

/// One thing that waits.
struct Parked {
    /// The running hook it belongs to.
    hook: u64,
    step: Step,
    pass: oneshot::Sender<Option<Fault>>,
}

/// Everything that waits, in the order it came.
#[derive(Default)]
struct Queue {
    parked: BTreeMap<u64, Parked>,
    next: u64,
    /// Whether all that changes nothing goes through by itself.
    open: bool,
}

/// The desk. Clones are the same one.
#[derive(Clone, Default)]
pub(super) struct Desk(Arc<Mutex<Queue>>);

impl Desk {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets everything through by itself but the answers of writes and the ends of hooks, or holds all of it up.
    pub(super) fn set_open(&self, open: bool) {
        self.queue().open = open;
    }

    /// Waits until a step of a hook is let through; a step whose hook is gone waits for ever.
    pub(super) async fn wait(&self, hook: u64, step: Step) -> Option<Fault> {
        let waiting = {
            let mut queue = self.queue();
            let held = match &step {
                Step::Exit => true,
                Step::Answer(record) => record.writes(),
                _ => false,
            };
            if queue.open && !held {
                return None;
            }
            let (pass, waiting) = oneshot::channel();
            let number = queue.next;
            queue.next += 1;
            queue.parked.insert(number, Parked { hook, step, pass });
            waiting
        };
        match waiting.await {
            Ok(fault) => fault,
            Err(_) => futures::future::pending().await,
        }
    }

    /// The turnstile for the requests of a hook.
    pub(super) fn turn(&self, hook: u64, passage: Passage) -> BoxFuture<'static, Option<Fault>> {
        let desk = self.clone();
        let step = if passage.carried_out {
            Step::Answer(passage.record)
        } else {
            Step::Request(passage.record)
        };
        async move { desk.wait(hook, step).await }.boxed()
    }

    /// What waits now, in order; what nobody waits for any more is forgotten.
    pub(super) fn waiting(&self) -> Vec<Waiting> {
        let mut queue = self.queue();
        queue.parked.retain(|_, parked| !parked.pass.is_closed());
        let parked = queue.parked.iter();
        parked
            .map(|(number, parked)| Waiting {
                number: *number,
                hook: parked.hook,
                acts: parked.step.acts(),
                writes: parked.step.writes(),
            })
            .collect()
    }

    /// What waits by this number.
    pub(super) fn step(&self, number: u64) -> Option<Step> {
        let queue = self.queue();
        queue.parked.get(&number).map(|parked| parked.step.clone())
    }

    /// Lets a step through, with what goes wrong with it.
    pub(super) fn pass(&self, number: u64, fault: Option<Fault>) {
        let parked = self.queue().parked.remove(&number);
        if let Some(parked) = parked {
            // Nobody waits for it any more when the hook has given it up.
            let _ = parked.pass.send(fault);
        }
    }

    /// Forgets everything a hook that is gone waits for.
    pub(super) fn forget(&self, hook: u64) {
        self.queue().parked.retain(|_, parked| parked.hook != hook);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_by_kind_and_name() {
        for (path, told) in [
            ("/apis", "/apis"),
            ("/api/v1/nodes/a", "nodes/a"),
            ("/apis/crd.projectcalico.org/v1/ippools", "ippools"),
            (
                "/apis/apps/v1/namespaces/kube-system/daemonsets/calico-node",
                "daemonsets/calico-node",
            ),
        ] {
            assert_eq!(brief(path), told);
        }
    }
}
