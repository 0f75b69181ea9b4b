//! `requests`: a delete names exactly the object that was seen, and nobody asks for what may be old.
//!
//! An object that was made anew since, or changed, is another one: the delete has to miss it. Of a pod or a report of
//! calico-node's the uid is enough, for its kubelet or calico-node writes its status all the while.
//!
//! An API server answers a GET or LIST from its cache, which may lag behind, only where `resourceVersion` is asked for
//! (<https://kubernetes.io/docs/reference/using-api/api-concepts/#semantics-for-get-and-list>): unset, what it answers is the
//! most recent there is, by a quorum read or, since 1.31, by a cache that has caught up first.

use crate::sim::api::{RequestRecord, Verb};
use crate::sim::history::scene::{Scene, Told, Violation, Watch, Written};

/// The invariant's name.
pub const NAME: &str = "requests";

/// Watches what is asked for.
pub struct Requests;

impl Watch for Requests {
    fn written(&mut self, _: &Scene<'_>, _: &Written) -> Vec<Violation> {
        Vec::new()
    }

    fn told(&mut self, _: &Scene<'_>, _: &Told) -> Vec<Violation> {
        Vec::new()
    }

    fn asked(&mut self, unit: &str, request: &RequestRecord) -> Vec<Violation> {
        let is_restless = ["/pods/", "/caliconodestatuses/"];
        let is_restless = is_restless.iter().any(|part| request.path.contains(part));
        let message = match request.verb {
            Verb::Delete if !request.preconditions.uid => "has no uid among its preconditions",
            Verb::Delete if !request.preconditions.resource_version && !is_restless => {
                "has no resourceVersion among its preconditions"
            }
            Verb::Get | Verb::List if asks_for_old(&request.query) => {
                "takes an answer that may be old"
            }
            _ => return Vec::new(),
        };
        vec![Violation {
            invariant: NAME,
            message: format!("{unit}: {} {}: {message}", request.verb, request.path),
        }]
    }
}

/// `resourceVersion` and `resourceVersionMatch`.
fn asks_for_old(query: &str) -> bool {
    let mut names = query.split('&').filter_map(|pair| pair.split('=').next());
    names.any(|name| name.starts_with("resourceVersion"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::api::Preconditions;

    #[test]
    fn requests_are_exact() {
        let none = Preconditions::default();
        let uid = Preconditions { uid: true, ..none };
        let both = Preconditions {
            uid: true,
            resource_version: true,
        };
        for (verb, path, query, preconditions, good) in [
            (Verb::Delete, "/apis/x/v1/bgppeers/a", "", both, true),
            (Verb::Delete, "/apis/x/v1/bgppeers/a", "", uid, false),
            (Verb::Delete, "/apis/x/v1/bgppeers/a", "", none, false),
            (Verb::Delete, "/api/v1/namespaces/x/pods/a", "", uid, true),
            (
                Verb::Delete,
                "/apis/x/v3/caliconodestatuses/a",
                "",
                uid,
                true,
            ),
            (
                Verb::Delete,
                "/apis/x/v3/caliconodestatuses/a",
                "",
                none,
                false,
            ),
            (Verb::List, "/api/v1/nodes", "limit=500", none, true),
            (
                Verb::List,
                "/api/v1/nodes",
                "limit=5&resourceVersion=0",
                none,
                false,
            ),
            (
                Verb::Get,
                "/api/v1/nodes/a",
                "resourceVersion=7",
                none,
                false,
            ),
            (
                Verb::List,
                "/api/v1/nodes",
                "resourceVersionMatch=Exact",
                none,
                false,
            ),
        ] {
            let request = RequestRecord {
                caller: String::new(),
                verb,
                path: path.to_owned(),
                query: query.to_owned(),
                preconditions,
                dry_run: false,
                status: 200,
            };
            let found = Requests.asked("calico/0", &request);
            assert_eq!(found.is_empty(), good, "{request:?}");
        }
    }
}
