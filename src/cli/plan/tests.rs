//! Plans against clusters that the hooks' own code has written.

use serde_json::json;

use super::cluster::observe;
use super::compare::{Comparison, compare};
use super::{Shown, digest, to_json};
use crate::cli::fabric::{Fabric, read_for_test};
use crate::cli::simulate::scenario;
use crate::sim::api::ApiServer;
use crate::sim::run;

const OPTIONS: &str = "options:\n  global-bgp-peers: \"[{address: 10.0.0.1, as-number: 64512}]\"\n";
const UNITS: &str = "units:\n  calico/0: {node: a, addresses: [10.0.0.5/24]}\n  calico/1: {node: b, addresses: [10.0.0.6/24]}\n";

fn fabric(options: &str) -> Fabric {
    read_for_test(&[options, UNITS]).unwrap()
}

/// A cluster in which all units have run their hooks.
async fn settled(fabric: &Fabric) -> ApiServer {
    let outcome = run::run(&scenario(fabric), &mut |_, _| {}).await.unwrap();
    assert!(outcome.is_good());
    outcome.server
}

async fn planned(fabric: &Fabric, server: &ApiServer) -> Comparison {
    let config = fabric.config().unwrap();
    let requests = server.write_count();
    let observed = Box::pin(observe(server.client(), &config)).await.unwrap();
    assert_eq!(server.write_count(), requests, "a plan writes nothing");
    compare(fabric, &config, &observed).unwrap()
}

fn lines(comparison: &Comparison) -> Vec<String> {
    let text = super::text::text("calico", 2, comparison, false);
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn what_the_hooks_have_written_leaves_nothing_to_do() {
    for options in [
        OPTIONS,
        "options: {unit-as-numbers: \"{0: 64513}\", route-reflector-cluster-ids: \"{0: 1.0.0.1}\", node-to-node-mesh: false}\n",
        "options: {cidr: \"10.1.0.0/16,fd00::/112\", vxlan: Always}\n",
        "options: {manage-pools: false}\n",
    ] {
        let fabric = fabric(options);
        let comparison = planned(&fabric, &settled(&fabric).await).await;
        assert!(comparison.is_empty(), "{options}{comparison:?}");
        assert!(comparison.records.is_empty(), "{options}{comparison:?}");
        let effects = comparison.effects.unwrap();
        assert_eq!(effects.changed, [], "{options}");
        assert_eq!(effects.reach.as_deref(), Some(&[][..]), "{options}");
        assert_eq!(effects.findings, [], "{options}");
    }
}

#[tokio::test]
async fn an_empty_cluster_gets_everything() {
    let fabric = fabric(OPTIONS);
    let server = settled(&fabric).await;
    for (kind, name) in [
        ("BGPConfiguration", "default"),
        ("IPPool", "ipv4"),
        ("BGPPeer", "calico-0-10.0.0.1"),
        ("BGPPeer", "calico-1-10.0.0.1"),
        ("Node", "b"),
    ] {
        server.remove(kind, name).unwrap();
    }
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}, "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.5"}]}});
    server.insert("kubelet", node).unwrap();
    assert_eq!(
        lines(&planned(&fabric, &server).await),
        [
            "calico, 2 units: 3 to create, 0 to change, 0 to delete, 1 in the way; sessions: 0 kept, 0 restart, 0 lost, 3 gained; \
             pairs: 0 lost, 4 gained",
            "  + create   ~ change   - delete   ! needs you first",
            "  1 to 7 is the order; each step waits until every unit has done the one before (rollout)",
            "",
            "1 the leader adds pools and settings",
            "+ BGPConfiguration default  asNumber 64512 (global-as-number), nodeToNodeMeshEnabled true (node-to-node-mesh)",
            "+ IPPool ipv4               blockSize 26 (manage-pools), cidr 192.168.0.0/16 (cidr), natOutgoing true (nat-outgoing)",
            "",
            "2 add: each unit its peers",
            "+ BGPPeer calico-0-10.0.0.1  asNumber 64512 (global-bgp-peers: [0])",
            "",
            "! calico/1 waits: no Node is called b and has an address of it",
            "    start kubelet on the machine, or correct the unit's name and addresses in FABRIC",
            "",
            "BGP sessions",
            "+ 1 of the mesh: among calico/0, calico/1 (node-to-node-mesh)",
            "+ 2 of peers: calico/0, calico/1 -- router 10.0.0.1 (global-bgp-peers: [0])",
            "",
            "Pods reached",
            "+ 1 from calico/1 to pods on calico/0",
            "+ 1 from calico/0 to pods on calico/1",
            "+ 2 from router 10.0.0.1 to pods on calico/0, calico/1",
            "",
            "The charm's own labels and records change on 1 object; that is no change to Calico.",
        ]
    );
}

#[tokio::test]
async fn changed_options_are_shown_from_what_to_what() {
    let server = settled(&fabric(OPTIONS)).await;
    let changed = fabric(
        "options:\n  ipip: Always\n  unit-as-numbers: \"{1: 64513}\"\n  global-bgp-peers: \"[{address: 10.0.0.1, as-number: 64999}]\"\n  unit-bgp-peers: \"{1: [{address: 10.0.0.9, as-number: 1}]}\"\n",
    );
    let shown = lines(&planned(&changed, &server).await);
    for expected in [
        "calico, 2 units: 1 to create, 5 to change, 0 to delete; sessions: 0 kept, 3 restart, 0 lost, 1 gained; pairs: 0 lost, \
         2 gained",
        "~ IPPool ipv4  ipipMode Never → Always (ipip)",
        "~ BGPPeer calico-0-10.0.0.1  asNumber 64512 → 64999 (global-bgp-peers: [0])",
        "~ Node a                     ASNumber 64512 (global-as-number)",
        "~ Node b                     ASNumber 64513 (unit-as-numbers: 1)",
        "+ BGPPeer calico-1-10.0.0.9  asNumber 1 (unit-bgp-peers: 1[0])",
        "~ 1 of the mesh (AS number): among calico/0, calico/1 (node-to-node-mesh)",
        "~ 2 of peers (AS number): calico/0, calico/1 -- router 10.0.0.1 (global-bgp-peers: [0])",
        "+ 1 of peers: calico/1 -- router 10.0.0.9 (unit-bgp-peers: 1[0])",
    ] {
        assert!(
            shown.iter().any(|line| line == expected),
            "{expected}\n{shown:#?}"
        );
    }
    let cuts = shown
        .iter()
        .position(|line| line == "Cuts that no order avoids")
        .unwrap();
    assert_eq!(
        shown[cuts + 1..cuts + 2],
        [
            "  AS numbers of calico/1 and AS numbers of the peers of calico/0 change: their sessions are down until both ends have \
             followed, 4 pairs",
        ]
    );
    let immediate = fabric("options: {rollout: immediate, node-to-node-mesh: false}\n");
    let shown = lines(&planned(&immediate, &server).await);
    assert!(
        shown[2].ends_with("units do not wait for each other (rollout: immediate)"),
        "{shown:#?}"
    );
    let fewer = lines(&planned(&fabric("options: {}\n"), &server).await);
    assert_eq!(
        fewer[0],
        "calico, 2 units: 0 to create, 0 to change, 2 to delete; sessions: 1 kept, 0 restart, 2 lost, 0 gained; pairs: 2 lost, \
         0 gained"
    );
}

#[tokio::test]
async fn units_that_are_gone_leave_peers_to_delete() {
    let all = fabric(OPTIONS);
    let server = settled(&all).await;
    let text = "units:\n  calico/0: {node: a, addresses: [10.0.0.5/24]}\n";
    let fewer = read_for_test(&[OPTIONS, text]).unwrap();
    let shown = lines(&planned(&fewer, &server).await);
    let gone = "- BGPPeer calico-1-10.0.0.1  calico/1 is gone; once Node b runs no pods".to_owned();
    assert!(shown.contains(&gone), "{shown:#?}");
    let unheard =
        "- 1 from router 10.0.0.1 to pods on calico/1: the last hop has no route".to_owned();
    assert!(shown.contains(&unheard), "{shown:#?}");
    server.remove("Node", "b").unwrap();
    let shown = lines(&planned(&fewer, &server).await);
    let gone = "- BGPPeer calico-1-10.0.0.1  its Node b is gone";
    assert_eq!(shown.last().unwrap(), gone);
}

#[tokio::test]
async fn what_is_in_the_way_is_said() {
    let fabric = fabric(OPTIONS);
    let bare = planned(&fabric, &ApiServer::bare()).await;
    assert_eq!(bare.blocked[0].message, "Calico's CRDs are not there");

    let server = settled(&fabric).await;
    let labels = json!({"metadata": {"labels": {"calico.juju.is/application": "other"}}});
    server
        .merge("juju", "BGPConfiguration", "default", &labels)
        .unwrap();
    let other = planned(&fabric, &server).await;
    assert!(
        other.blocked[0]
            .message
            .contains("configured by application other"),
        "{other:?}"
    );
    assert!(other.changes.is_empty());

    let server = settled(&fabric).await;
    server.remove("BGPPeer", "calico-0-10.0.0.1").unwrap();
    let group = "crd.projectcalico.org/v1";
    let foreign = json!({"apiVersion": group, "kind": "BGPPeer", "metadata": {"name": "calico-0-10.0.0.1"}, "spec": {"peerIP": "10.0.0.1", "asNumber": 1}});
    server.insert("kubectl", foreign).unwrap();
    let taken = planned(&fabric, &server).await;
    assert!(
        taken.blocked[0]
            .message
            .contains("calico-0-10.0.0.1 exists and is not"),
        "{taken:?}"
    );
}

const NO_MESH: &str = "options:\n  node-to-node-mesh: false\n";

#[tokio::test]
async fn a_mesh_that_goes_is_said_with_all_that_goes_with_it() {
    let server = settled(&fabric("options: {}\n")).await;
    let without = fabric(NO_MESH);
    let comparison = planned(&without, &server).await;
    let shown = lines(&comparison);
    let totals = "calico, 2 units: 0 to create, 1 to change, 0 to delete; sessions: 0 kept, 0 restart, 1 lost, 0 gained; \
                  pairs: 2 lost, 0 gained";
    assert_eq!(shown[0], totals);
    for expected in [
        "6 unset: the mesh goes off, and cluster IDs that are no longer wanted",
        "- 1 of the mesh: among calico/0, calico/1 (node-to-node-mesh)",
        "- 2 from calico/0, calico/1 to pods on calico/0, calico/1: the last hop has no route",
    ] {
        assert!(
            shown.iter().any(|line| line == expected),
            "{expected}\n{shown:#?}"
        );
    }
    let config = without.config().unwrap();
    let whole = Shown {
        digest: digest(&without, &config, &comparison),
        fabric: &without,
        comparison: &comparison,
    };
    let text = whole.text(false, false);
    assert!(text.contains("error[F102]: "), "{text}");
    assert!(text.contains("2 |   node-to-node-mesh: false"), "{text}");
    assert_eq!(
        text.lines().last(),
        Some(&*format!("digest {}", whole.digest))
    );

    let json = to_json::document(&whole, Some("it is old"));
    assert_eq!(json["format_version"], 1);
    assert_eq!(json["stale"], "it is old");
    assert_eq!(json["digest"], whole.digest.to_string());
    assert_eq!(json["changes"][0]["wave"], 6);
    assert_eq!(json["sessions"]["lost"], 1);
    assert_eq!(json["sessions"]["changes"][0]["before"], "mesh");
    assert_eq!(json["pairs"]["lost"], 2);
    assert_eq!(json["pairs"]["changes"][0]["to"][1], "calico/1");
    assert_eq!(json["findings"][0]["code"], "F102");
    assert_eq!(json["findings"][0]["at"]["line"], 2);
    assert_eq!(json["doomed_pools"], json!([]));
    assert_eq!(json["cuts"], json!([]));
}

#[tokio::test]
async fn the_steps_of_a_change_are_in_order_and_its_cuts_are_told() {
    let there = fabric(
        "options: {node-to-node-mesh: false, unit-as-numbers: \"{0: 64512}\", route-reflector-cluster-ids: \"{0: 1.0.0.1}\", unit-bgp-peers: \"{1: [{address: 10.0.0.5, as-number: 64512}]}\"}\n",
    );
    let server = settled(&there).await;
    let wanted =
        fabric("options: {unit-bgp-peers: \"{0: [{address: 10.0.0.6, as-number: 64512}]}\"}\n");
    let comparison = planned(&wanted, &server).await;
    let changes: Vec<(usize, String)> = comparison
        .changes
        .iter()
        .map(|one| {
            (
                one.wave.number(),
                format!("{} {}", one.change.kind, one.change.name),
            )
        })
        .collect();
    let changes: Vec<(usize, &str)> = changes
        .iter()
        .map(|(wave, name)| (*wave, &**name))
        .collect();
    assert_eq!(
        changes,
        [
            (1, "BGPConfiguration default"),
            (2, "BGPPeer calico-0-10.0.0.6"),
            (3, "Node a"),
            (7, "Node a"),
            (7, "Node b"),
            (7, "BGPPeer calico-1-10.0.0.5"),
        ]
    );
    assert_eq!(
        lines(&comparison)[0].split(';').next(),
        Some("calico, 2 units: 1 to create, 3 to change, 1 to delete")
    );
    let config = wanted.config().unwrap();
    let whole = Shown {
        digest: digest(&wanted, &config, &comparison),
        fabric: &wanted,
        comparison: &comparison,
    };
    let cuts = &to_json::document(&whole, None)["cuts"];
    assert_eq!(
        *cuts,
        json!([{
            "kind": "swap", "nodes": ["a"], "pairs": 2,
            "text": "sessions with calico/0 change between mesh and peer: down for about two seconds, 2 pairs",
        }])
    );
}

#[tokio::test]
async fn peers_of_others_stay_in_both_fabrics() {
    let fabric = fabric("options: {}\n");
    let server = settled(&fabric).await;
    let group = "crd.projectcalico.org/v1";
    let foreign = json!({"apiVersion": group, "kind": "BGPPeer", "metadata": {"name": "tor"}, "spec": {"peerIP": "10.0.0.1", "asNumber": 64999}});
    server.insert("kubectl", foreign).unwrap();
    let comparison = planned(&fabric, &server).await;
    assert!(comparison.is_empty());
    let sessions = comparison.effects.unwrap().sessions;
    assert_eq!(
        (
            sessions.kept,
            sessions.lost + sessions.gained + sessions.restarted
        ),
        (3, 0)
    );
}

#[tokio::test]
async fn a_digest_is_of_the_options_and_of_what_was_seen() {
    let all = fabric(OPTIONS);
    let server = settled(&all).await;
    let fewer = fabric("options: {}\n");
    let digest_of = async |fabric: &Fabric| {
        let comparison = planned(fabric, &server).await;
        digest(fabric, &fabric.config().unwrap(), &comparison)
    };
    let before = digest_of(&fewer).await;
    assert_eq!(before.stale(&digest_of(&fewer).await), None);
    let options = before.stale(&digest_of(&all).await);
    assert!(
        options.is_some_and(|reason| reason.starts_with("the options")),
        "{options:?}"
    );
    // A Node's own agent writes all the time; of a peer that is to go every version counts.
    let label = json!({"metadata": {"labels": {"x": "y"}}});
    server.merge("kubelet", "Node", "a", &label).unwrap();
    assert_eq!(before.stale(&digest_of(&fewer).await), None);
    server
        .merge("kubectl", "BGPPeer", "calico-0-10.0.0.1", &label)
        .unwrap();
    let cluster = before.stale(&digest_of(&fewer).await);
    assert_eq!(cluster, Some("the cluster has changed since that plan"));
}

#[tokio::test]
async fn pods_keep_a_pool_that_nobody_asks_for() {
    let server = settled(&fabric("options: {}\n")).await;
    let block = json!({
        "apiVersion": "crd.projectcalico.org/v1", "kind": "IPAMBlock", "metadata": {"name": "192-168-0-0-26"},
        "spec": {
            "cidr": "192.168.0.0/26", "affinity": "host:a", "allocations": [0], "unallocated": [], "strictAffinity": false,
            "attributes": [{"handle_id": "k8s-pod-network.a", "secondary": {"node": "a", "pod": "web"}}],
        },
    });
    server.insert("calico", block).unwrap();
    let moved = fabric("options: {cidr: 10.1.0.0/16}\n");
    let comparison = planned(&moved, &server).await;
    assert!(!comparison.is_empty());
    let shown = lines(&comparison);
    assert!(shown[0].contains("1 in the way"), "{shown:#?}");
    let expected = "! IPPool ipv4 192.168.0.0/16: 1 address in use on a";
    assert!(shown.iter().any(|line| line == expected), "{shown:#?}");
    let waves: Vec<usize> = comparison
        .changes
        .iter()
        .map(|one| one.wave.number())
        .collect();
    assert!(
        waves.is_sorted() && waves.contains(&1) && waves.contains(&7),
        "{waves:?}"
    );
}
