//! The pods that hold addresses of a pool, and which of them may be restarted now. Pure.

mod openings;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use serde_json::Value;

use super::Extent;

pub use openings::{Openings, asking};

/// A kubelet's own pod, made from a file on its machine (`pkg/kubelet/types/pod_update.go`).
const ANNOTATION_MIRROR: &str = "kubernetes.io/config.mirror";

/// What a controller's pods are known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Controller {
    /// Its UID.
    pub uid: String,
    /// `ReplicaSet web-5d4`.
    pub name: String,
}

/// Who would make a new pod in place of one that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A controller.
    Controller(Controller),
    /// A kubelet, from a file of its machine.
    File,
    /// Nobody.
    Bare,
}

/// A pod with an address of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolPod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID, so that no other pod of the name is taken for it.
    pub uid: String,
    /// Its Node.
    pub node: String,
    /// Its addresses in the pool.
    pub addresses: Vec<IpAddr>,
    /// Who makes another one.
    pub origin: Origin,
    /// Whether it is ready.
    pub ready: bool,
    /// Whether it is on its way already.
    pub going: bool,
    /// The annotation by which another one would get no address.
    pub bound: Option<String>,
}

impl fmt::Display for PoolPod {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.place())?;
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        write!(formatter, ": {}", addresses.join(", "))?;
        match &self.origin {
            Origin::Controller(controller) => write!(formatter, " ({})", controller.name),
            Origin::File | Origin::Bare => Ok(()),
        }
    }
}

impl PoolPod {
    fn place(&self) -> String {
        place(&self.namespace, &self.name, &self.node)
    }

    /// Whether it is one pod less to serve: not where its controller does without it already.
    fn is_missed(&self) -> bool {
        let replaced = match &self.origin {
            Origin::Controller(controller) => is_replaced(controller),
            Origin::File | Origin::Bare => false,
        };
        let lost = self.going && !self.ready && replaced;
        !lost && (self.going || !self.ready)
    }
}

/// `web/db-0 on node-1`.
fn place(namespace: &str, name: &str, node: &str) -> String {
    match node {
        "" => format!("{namespace}/{name}"),
        node => format!("{namespace}/{name} on {node}"),
    }
}

/// Whether a pod that is on its way and not ready any more is nothing to wait for. A dead machine's stays so for ever; a
/// `ReplicaSet` makes another one as soon as it is to go (`pkg/controller/replicaset/replica_set.go`), and the pods of a
/// `DaemonSet` serve their own nodes. One of a `StatefulSet` comes back only once it is gone, and may be needed for a quorum.
fn is_replaced(controller: &Controller) -> bool {
    let kind = controller.name.split(' ').next();
    matches!(
        kind,
        Some("ReplicaSet" | "ReplicationController" | "DaemonSet")
    )
}

/// A pod that has to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The pod.
    pub pod: PoolPod,
    /// The one of its controller's that has to be ready, or gone, first.
    pub behind: Option<String>,
}

impl fmt::Display for Waiting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pod.fmt(formatter)?;
        match &self.behind {
            Some(other) => write!(formatter, ", waits for {other}"),
            None => Ok(()),
        }
    }
}

/// What is of interest in one pod of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It holds addresses of the pools.
    OnPool(PoolPod),
    /// It holds none and is not ready.
    Unready {
        /// UID of its controller.
        controller: String,
        /// `web/db-0 on node-1`.
        pod: String,
    },
}

/// An address that a pod says it has, whoever gave it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldAddress {
    /// The address.
    pub ip: IpAddr,
    /// The pod's Node.
    pub node: String,
    /// The pod's namespace.
    pub namespace: String,
}

/// The addresses that a pod has of its own: one on its node's network has none, and one that has ended holds none any more.
#[must_use]
pub fn held_addresses(pod: &Value) -> Vec<HeldAddress> {
    let status = &pod["status"];
    let has_ended = matches!(status["phase"].as_str(), Some("Succeeded" | "Failed"));
    if pod["spec"]["hostNetwork"] == true || has_ended {
        return Vec::new();
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    addresses(status)
        .map(|ip| HeldAddress {
            ip,
            node: text(&pod["spec"]["nodeName"]),
            namespace: text(&pod["metadata"]["namespace"]),
        })
        .collect()
}

/// Looks at one pod: of thousands few are kept.
#[must_use]
pub fn seen_pod(pod: &Value, pools: &[Extent], openings: &Openings) -> Option<Seen> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (metadata, status) = (&pod["metadata"], &pod["status"]);
    let has_ended = matches!(status["phase"].as_str(), Some("Succeeded" | "Failed"));
    if pod["spec"]["hostNetwork"] == true || has_ended {
        return None;
    }
    let mut addresses: Vec<IpAddr> = held_addresses(pod)
        .into_iter()
        .map(|held| held.ip)
        .collect();
    addresses.retain(|ip| pools.iter().any(|pool| pool.holds(*ip)));
    let (ready, origin) = (is_ready(status), origin(metadata));
    let going = !metadata["deletionTimestamp"].is_null();
    if addresses.is_empty() {
        return match origin {
            Origin::Controller(controller) if !(ready || going && is_replaced(&controller)) => {
                Some(Seen::Unready {
                    controller: controller.uid,
                    pod: place(
                        &text(&metadata["namespace"]),
                        &text(&metadata["name"]),
                        &text(&pod["spec"]["nodeName"]),
                    ),
                })
            }
            _ => None,
        };
    }
    Some(Seen::OnPool(PoolPod {
        namespace: text(&metadata["namespace"]),
        name: text(&metadata["name"]),
        uid: text(&metadata["uid"]),
        node: text(&pod["spec"]["nodeName"]),
        bound: openings.closed_to(metadata, &addresses),
        addresses,
        origin,
        ready,
        going,
    }))
}

fn addresses(status: &Value) -> impl Iterator<Item = IpAddr> {
    let several = status["podIPs"].as_array().into_iter().flatten();
    let texts: BTreeSet<&str> = several
        .filter_map(|one| one["ip"].as_str())
        .chain(status["podIP"].as_str())
        .collect();
    texts.into_iter().filter_map(|text| text.parse().ok())
}

fn is_ready(status: &Value) -> bool {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    conditions
        .into_iter()
        .any(|one| one["type"] == "Ready" && one["status"] == "True")
}

fn origin(metadata: &Value) -> Origin {
    if metadata["annotations"].get(ANNOTATION_MIRROR).is_some() {
        return Origin::File;
    }
    let owners = metadata["ownerReferences"].as_array().into_iter().flatten();
    let mut controllers = owners.filter(|owner| owner["controller"] == true);
    controllers.next().map_or(Origin::Bare, |owner| {
        let text = |key: &str| owner[key].as_str().unwrap_or_default();
        Origin::Controller(Controller {
            uid: text("uid").to_owned(),
            name: format!("{} {}", text("kind"), text("name")),
        })
    })
}

/// The pods of a pool by what can be done about them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Restarts {
    /// These are to be evicted now.
    pub evict: Vec<PoolPod>,
    /// These wait for another pod of their controller.
    pub later: Vec<Waiting>,
    /// These are on their way already.
    pub going: Vec<PoolPod>,
    /// Nobody makes these anew, or they would get no address: somebody has to see to them by hand.
    pub by_hand: Vec<PoolPod>,
}

impl Restarts {
    /// All of them.
    pub fn pods(&self) -> impl Iterator<Item = &PoolPod> {
        let later = self.later.iter().map(|later| &later.pod);
        let others = [&self.evict, &self.going, &self.by_hand];
        others.into_iter().flatten().chain(later)
    }
}

/// Of how many pods of a controller one may go at a time.
const ONE_IN: usize = 10;

/// Sorts the pods: of one controller one pod goes at a time, of a large one a tenth, and none while another of its pods is
/// not ready, so that what has replicas and no disruption budget keeps serving. `limit` is for all of them.
#[must_use]
pub fn restarts(seen: Vec<Seen>, limit: usize) -> Restarts {
    let mut unready: BTreeMap<String, String> = BTreeMap::new();
    let mut pods: Vec<PoolPod> = Vec::new();
    for one in seen {
        match one {
            Seen::Unready { controller, pod } => {
                unready.insert(controller, pod);
            }
            Seen::OnPool(pod) => pods.push(pod),
        }
    }
    // What is down already goes first: it costs nothing.
    pods.sort_by(|one, other| {
        let key = |pod: &PoolPod| (pod.ready, pod.namespace.clone(), pod.name.clone());
        key(one).cmp(&key(other))
    });
    // By controller how many more of its ready pods may go: a tenth of those that are counted here, and one at least.
    let mut free: BTreeMap<String, usize> = BTreeMap::new();
    for uid in pods.iter().filter_map(controller_uid) {
        *free.entry(uid).or_default() += 1;
    }
    for left in free.values_mut() {
        *left = left.div_ceil(ONE_IN);
    }
    let down = pods.iter().filter(|pod| pod.is_missed());
    unready.extend(down.filter_map(|pod| Some((controller_uid(pod)?, pod.place()))));
    for uid in unready.keys() {
        free.insert(uid.clone(), 0);
    }
    let mut restarts = Restarts::default();
    for pod in pods {
        let uid = controller_uid(&pod).filter(|_| pod.bound.is_none() || pod.going);
        let Some(uid) = uid else {
            restarts.by_hand.push(pod);
            continue;
        };
        if pod.going {
            restarts.going.push(pod);
            continue;
        }
        let behind = unready.get(&uid).cloned();
        let left = free.entry(uid).or_default();
        if restarts.evict.len() < limit && (!pod.ready || *left > 0) {
            *left = left.saturating_sub(1);
            restarts.evict.push(pod);
        } else {
            restarts.later.push(Waiting { pod, behind });
        }
    }
    restarts
}

fn controller_uid(pod: &PoolPod) -> Option<String> {
    match &pod.origin {
        Origin::Controller(controller) => Some(controller.uid.clone()),
        Origin::File | Origin::Bare => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Cidr;
    use serde_json::json;

    fn pod(name: &str, controller: Option<&str>, ip: &str, ready: bool) -> Value {
        let truth = if ready { "True" } else { "False" };
        let mut pod = json!({
            "metadata": {"name": name, "namespace": "web", "uid": format!("uid-{name}")},
            "spec": {"nodeName": "a"},
            "status": {
                "phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}],
                "conditions": [{"type": "Ready", "status": truth}],
            },
        });
        if let Some(uid) = controller {
            pod["metadata"]["ownerReferences"] =
                json!([{"kind": "ReplicaSet", "name": uid, "uid": uid, "controller": true}]);
        }
        pod
    }

    fn extents(cidrs: &[&str]) -> Vec<Extent> {
        let cidrs = cidrs.iter().map(|cidr| cidr.parse::<Cidr>().unwrap());
        cidrs.map(Extent::from).collect()
    }

    fn sorted(pods: &[Value], limit: usize) -> [Vec<String>; 4] {
        let cidr = extents(&["10.9.0.0/16"]);
        let seen = pods
            .iter()
            .filter_map(|pod| seen_pod(pod, &cidr, &Openings::default()))
            .collect();
        let found = restarts(seen, limit);
        let names = |pods: Vec<PoolPod>| {
            pods.into_iter()
                .map(|pod| pod.name)
                .collect::<Vec<String>>()
        };
        [
            names(found.evict),
            names(found.later.into_iter().map(|later| later.pod).collect()),
            names(found.going),
            names(found.by_hand),
        ]
    }

    #[test]
    fn pods_of_a_pool_are_those_with_an_address_in_it() {
        let cidr = extents(&["10.9.0.0/16", "fd00::/64"]);
        let mut host = pod("host", Some("r"), "10.9.0.1", true);
        host["spec"]["hostNetwork"] = true.into();
        let mut ended = pod("ended", Some("r"), "10.9.0.1", true);
        ended["status"]["phase"] = "Succeeded".into();
        let mut dual = pod("dual", Some("r"), "10.1.0.1", true);
        dual["status"]["podIPs"] = json!([{"ip": "10.1.0.1"}, {"ip": "fd00::5"}, {"ip": "x"}]);
        let other = pod("other", Some("r"), "10.1.0.1", true);
        for (pod, shown) in [
            (
                pod("one", Some("r"), "10.9.0.1", true),
                Some("web/one on a: 10.9.0.1 (ReplicaSet r)"),
            ),
            (
                pod("bare", None, "10.9.0.1", true),
                Some("web/bare on a: 10.9.0.1"),
            ),
            (dual, Some("web/dual on a: fd00::5 (ReplicaSet r)")),
            (host, None),
            (ended, None),
            (other, None),
            (json!({}), None),
        ] {
            let found = match seen_pod(&pod, &cidr, &Openings::default()) {
                Some(Seen::OnPool(pod)) => Some(pod.to_string()),
                _ => None,
            };
            assert_eq!(found.as_deref(), shown, "{pod}");
        }
    }

    #[test]
    fn one_pod_of_a_controller_goes_at_a_time() {
        let pods = [
            pod("a-1", Some("a"), "10.9.0.1", true),
            pod("a-2", Some("a"), "10.9.0.2", true),
            pod("b-1", Some("b"), "10.9.0.3", true),
        ];
        assert_eq!(
            sorted(&pods, 10),
            [
                vec!["a-1".to_owned(), "b-1".to_owned()],
                vec!["a-2".to_owned()],
                vec![],
                vec![]
            ]
        );
        assert_eq!(sorted(&pods, 1)[0], ["a-1"]);
        assert_eq!(sorted(&pods, 1)[1], ["a-2", "b-1"]);
        // Its successor has an address elsewhere and is not ready yet.
        let next = pod("a-3", Some("a"), "10.1.0.1", false);
        let with_next = [pods[1].clone(), next];
        assert_eq!(sorted(&with_next, 10)[0], [] as [&str; 0]);
        assert_eq!(sorted(&with_next, 10)[1], ["a-2"]);
    }

    #[test]
    fn of_a_large_controller_a_tenth_goes() {
        for (count, expected) in [(1, 1), (10, 1), (11, 2), (95, 10)] {
            let pods: Vec<Value> = (0..count)
                .map(|number| pod(&format!("a-{number}"), Some("a"), "10.9.0.1", true))
                .collect();
            assert_eq!(sorted(&pods, 50)[0].len(), expected, "{count}");
        }
    }

    #[test]
    fn what_is_down_already_goes_first() {
        let pods = [
            pod("a-1", Some("a"), "10.9.0.1", true),
            pod("a-2", Some("a"), "10.9.0.2", false),
            pod("a-3", Some("a"), "10.9.0.3", false),
        ];
        assert_eq!(sorted(&pods, 10)[0], ["a-2", "a-3"]);
        let mut going = pod("b-1", Some("b"), "10.9.0.1", true);
        going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        let pods = [going, pod("b-2", Some("b"), "10.9.0.2", true)];
        let [evict, later, on_their_way, _] = sorted(&pods, 10);
        assert_eq!(evict, [] as [&str; 0]);
        assert_eq!(
            (later, on_their_way),
            (vec!["b-2".into()], vec!["b-1".into()])
        );
    }

    /// A dead machine's pod is on its way for ever.
    #[test]
    fn a_pod_that_never_ends_holds_nobody_up_but_a_quorum() {
        for (kind, evicted) in [("DaemonSet", 1), ("ReplicaSet", 1), ("StatefulSet", 0)] {
            for on_pool in ["10.9.0.1", "10.1.0.1"] {
                let mut dead = pod("a-1", Some("a"), on_pool, false);
                dead["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
                let mut pods = [dead, pod("a-2", Some("a"), "10.9.0.2", true)];
                for pod in &mut pods {
                    pod["metadata"]["ownerReferences"][0]["kind"] = kind.into();
                }
                assert_eq!(sorted(&pods, 10)[0].len(), evicted, "{kind} {on_pool}");
                let cidr = extents(&["10.9.0.0/16"]);
                let seen = pods
                    .iter()
                    .filter_map(|pod| seen_pod(pod, &cidr, &Openings::default()));
                let later: Vec<String> = restarts(seen.collect(), 10)
                    .later
                    .iter()
                    .map(ToString::to_string)
                    .collect();
                let shown = "web/a-2 on a: 10.9.0.2 (StatefulSet a), waits for web/a-1 on a";
                assert_eq!(later, vec![shown; 1 - evicted], "{kind} {on_pool}");
            }
        }
    }

    #[test]
    fn what_nobody_makes_anew_is_left_to_people() {
        let mut mirror = pod("static-a", Some("node"), "10.9.0.1", true);
        mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
        let mut owned = pod("owned", Some("x"), "10.9.0.2", true);
        owned["metadata"]["ownerReferences"][0]["controller"] = false.into();
        let pods = [mirror, owned, pod("bare", None, "10.9.0.3", true)];
        assert_eq!(sorted(&pods, 10)[0], [] as [&str; 0]);
        assert_eq!(sorted(&pods, 10)[3], ["bare", "owned", "static-a"]);
    }
}
