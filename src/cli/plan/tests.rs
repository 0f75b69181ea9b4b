//! Plans against clusters that the hooks' own code has written.

use serde_json::json;

use super::cluster::observe;
use super::compare::{Comparison, compare};
use super::to_text;
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
    let observed = observe(server.client(), &config).await.unwrap();
    assert_eq!(server.write_count(), requests, "a plan writes nothing");
    compare(fabric, &config, &observed).unwrap()
}

fn lines(comparison: &Comparison) -> Vec<String> {
    let text = to_text("calico", 2, comparison, false);
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
            "calico, 2 units: 3 to create, 0 to change, 0 to delete, 1 in the way",
            "  + create   ~ change   - delete   ! needs you first",
            "",
            "+ BGPConfiguration default   asNumber 64512 (global-as-number), nodeToNodeMeshEnabled true (node-to-node-mesh)",
            "+ IPPool ipv4                blockSize 26 (manage-pools), cidr 192.168.0.0/16 (cidr), natOutgoing true (nat-outgoing)",
            "+ BGPPeer calico-0-10.0.0.1  asNumber 64512 (global-bgp-peers: [0])",
            "! calico/1 waits: no Node is called b and has an address of it",
            "    start kubelet on the machine, or correct the unit's name and addresses in FABRIC",
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
        "calico, 2 units: 1 to create, 5 to change, 0 to delete",
        "~ IPPool ipv4                ipipMode Never → Always (ipip)",
        "~ BGPPeer calico-0-10.0.0.1  asNumber 64512 → 64999 (global-bgp-peers: [0])",
        "~ Node a                     ASNumber 64512 (global-as-number)",
        "~ Node b                     ASNumber 64513 (unit-as-numbers: 1)",
        "+ BGPPeer calico-1-10.0.0.9  asNumber 1 (unit-bgp-peers: 1[0])",
    ] {
        assert!(
            shown.iter().any(|line| line == expected),
            "{expected}\n{shown:#?}"
        );
    }
    let fewer = lines(&planned(&fabric("options: {}\n"), &server).await);
    assert_eq!(
        fewer[0],
        "calico, 2 units: 0 to create, 0 to change, 2 to delete"
    );
}

#[tokio::test]
async fn units_that_are_gone_leave_peers_to_delete() {
    let all = fabric(OPTIONS);
    let server = settled(&all).await;
    let text = "units:\n  calico/0: {node: a, addresses: [10.0.0.5/24]}\n";
    let fewer = read_for_test(&[OPTIONS, text]).unwrap();
    let shown = lines(&planned(&fewer, &server).await);
    assert_eq!(
        shown.last().unwrap(),
        "- BGPPeer calico-1-10.0.0.1  calico/1 is gone; once Node b runs no pods"
    );
    server.remove("Node", "b").unwrap();
    let shown = lines(&planned(&fewer, &server).await);
    assert_eq!(
        shown.last().unwrap(),
        "- BGPPeer calico-1-10.0.0.1  its Node b is gone"
    );
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
