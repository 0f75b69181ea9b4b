//! Requests as they are recorded, and what can be made to go wrong with them.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use super::request::Verb;

/// One request the server was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRecord {
    /// Who sent it: the name its client was made with.
    pub caller: String,
    /// What it does.
    pub verb: Verb,
    /// The path, still percent-encoded.
    pub path: String,
    /// The query, still percent-encoded.
    pub query: String,
    /// What a delete says of the object that it is for.
    pub preconditions: Preconditions,
    /// Whether it is only tried.
    pub dry_run: bool,
    /// The HTTP status of the answer; 0 before there is one, and where the connection broke first.
    pub status: u16,
}

impl RequestRecord {
    /// Whether it asked for a change that is meant to last.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.verb.writes() && !self.dry_run
    }
}

/// Which preconditions a delete has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// `uid`.
    pub uid: bool,
    /// `resourceVersion`.
    pub resource_version: bool,
}

/// What goes wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with this status instead of being carried out.
    Status {
        /// The HTTP status.
        code: u16,
        /// The reason in the `Status` object.
        reason: String,
        /// Seconds for the `Retry-After` header.
        retry_after: Option<u32>,
    },
    /// The connection is refused; nothing is carried out.
    Refuse,
    /// It is carried out, and the connection breaks before the answer.
    DropReplyAfterEffect,
    /// It is carried out after this time, on tokio's clock.
    Delay(Duration),
}

/// Looks at each request before it is carried out, and says what goes wrong with it.
pub type Gate = Arc<dyn Fn(&RequestRecord) -> Option<Fault> + Send + Sync>;

/// A request on its way: before it is carried out, and once it is.
#[derive(Debug, Clone)]
pub struct Passage {
    /// The request; its status is that of the answer once it is carried out.
    pub record: RequestRecord,
    /// Whether it is carried out, and only the answer is still to come.
    pub carried_out: bool,
}

/// Holds every request up twice, before it is carried out and before it is answered, for as long as it likes. Of a
/// request that is carried out only the answer can still go wrong: a [`Fault::Delay`] holds it back, any other fault
/// loses it.
pub type Turnstile = Arc<dyn Fn(Passage) -> BoxFuture<'static, Option<Fault>> + Send + Sync>;
