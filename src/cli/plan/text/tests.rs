//! What the text looks like.

use super::*;
use crate::fabric::{Origin, Reason, SessionTotals};
use crate::model::Family;
use crate::plan::{Blocked, PoolUsage};
use crate::rollout::RolloutStep;

fn field(name: &str, from: Option<&str>, to: &str, because: &str) -> FieldChange {
    FieldChange {
        field: name.into(),
        from: from.map(str::to_owned),
        to: Some(to.into()),
        because: Some(because.into()),
        taken_from: vec![],
    }
}

fn names(number: u32) -> Vec<String> {
    (0..number)
        .map(|number| format!("calico/{number}"))
        .collect()
}

fn effects() -> Difference {
    let change = |effect, before, after, near, far, sessions| SessionChange {
        effect,
        family: Family::V4,
        before,
        after,
        origin: Origin::option("global-bgp-peers"),
        near,
        far,
        sessions,
    };
    let (mesh, peer) = (Some(Kind::Mesh), Some(Kind::Peer));
    let reach = |gained, fate| ReachChange {
        gained,
        family: Family::V4,
        from: names(1),
        to: names(2),
        pairs: 2,
        fate,
    };
    Difference {
        sessions: SessionTotals {
            kept: 1,
            restarted: 7,
            lost: 6,
            gained: 2,
        },
        changed: vec![
            change(Effect::Lost, mesh, None, names(5), vec![], 6),
            change(
                Effect::Restarted(Reason::Kind),
                mesh,
                peer,
                names(1),
                names(4),
                4,
            ),
            change(
                Effect::Restarted(Reason::AsNumber),
                peer,
                peer,
                names(1),
                names(3),
                3,
            ),
            change(
                Effect::Gained,
                None,
                peer,
                names(2),
                vec!["router tor-1".to_owned()],
                2,
            ),
        ],
        reach: Some(vec![reach(false, Fate::NoRoute), reach(true, Fate::Loop)]),
        findings: vec![],
    }
}

fn comparison() -> Comparison {
    let change = |action, kind: &str, name: &str, fields| Change {
        action,
        kind: String::from(kind),
        name: name.into(),
        unit: None,
        fields,
        because: None,
    };
    let planned = |wave, change| Planned { wave, change };
    let mesh = field(
        "nodeToNodeMeshEnabled",
        Some("true"),
        "false",
        "node-to-node-mesh",
    );
    let peer = vec![
        field("asNumber", None, "64512", "unit-bgp-peers: 0[0]"),
        field("node", None, "a", "unit-bgp-peers: 0[0]"),
        field("peerIP", None, "10.0.0.1", "unit-bgp-peers: 0[0]"),
    ];
    let create = change(Action::Create, "BGPPeer", "calico-0-10.0.0.1", peer);
    let gone = Change {
        because: Some("no option asks for it any more".into()),
        ..change(Action::Delete, "BGPPeer", "calico-0-10.0.0.9", vec![])
    };
    Comparison {
        changes: vec![
            planned(Wave::Step(RolloutStep::Add), create),
            planned(
                Wave::Step(RolloutStep::Unset),
                change(Action::Change, "BGPConfiguration", "default", vec![mesh]),
            ),
            planned(Wave::Step(RolloutStep::Remove), gone),
        ],
        blocked: vec![Blocked {
            message: "BGPPeer x is not this charm's".into(),
            remedy: "delete it".into(),
        }],
        records: ["Node a".to_owned()].into(),
        ..Comparison::default()
    }
}

#[test]
fn the_text_starts_with_totals_and_goes_wave_by_wave() {
    assert_eq!(
        text("calico", 1, &comparison(), false),
        "calico, 1 unit: 1 to create, 1 to change, 1 to delete, 1 in the way\n\
         \x20 + create   ~ change   - delete   ! needs you first\n\
         \x20 1 to 7 is the order; each step waits until every unit has done the one before (rollout)\n\
         \n2 add: each unit its peers\n\
         + BGPPeer calico-0-10.0.0.1  asNumber 64512 (unit-bgp-peers: 0[0])\n\
         \n6 unset: the mesh goes off, and cluster IDs that are no longer wanted\n\
         ~ BGPConfiguration default  nodeToNodeMeshEnabled true → false (node-to-node-mesh)\n\
         \n7 remove: what nobody asks for any more goes\n\
         - BGPPeer calico-0-10.0.0.9  no option asks for it any more\n\
         \n! BGPPeer x is not this charm's\n    delete it\n\n\
         The charm's own labels and records change on 1 object; that is no change to Calico.\n"
    );
    let nothing = Comparison::default();
    assert_eq!(
        text("calico", 2, &nothing, false),
        "calico, 2 units: 0 to create, 0 to change, 0 to delete\nThe cluster is as the options ask.\n"
    );
}

#[test]
fn sessions_pairs_and_pods_follow() {
    let usage = PoolUsage {
        workloads: 12,
        nodes: [("a".to_owned(), 5), ("b".to_owned(), 7)].into(),
        ..PoolUsage::default()
    };
    let comparison = Comparison {
        effects: Some(effects()),
        doomed: vec![DoomedPool {
            name: "old".into(),
            cidr: "10.1.0.0/16".into(),
            usage,
            held: false,
            needs_bgp: true,
        }],
        ..Comparison::default()
    };
    let shown = text("calico", 5, &comparison, false);
    let (totals, rest) = shown.split_once('\n').unwrap();
    assert_eq!(
        totals,
        "calico, 5 units: 0 to create, 0 to change, 0 to delete, 1 in the way; \
         sessions: 1 kept, 7 restart, 6 lost, 2 gained; pairs: 2 lost, 2 gained"
    );
    assert_eq!(
        rest.strip_prefix(LEGEND)
            .and_then(|rest| rest.strip_prefix(order(Rollout::Safe)))
            .unwrap(),
        "\nBGP sessions\n\
         - 6 of the mesh: among calico/0, calico/1, calico/2 and 2 more (global-bgp-peers)\n\
         ~ 4 from mesh to peer: calico/0 -- calico/0, calico/1, calico/2 and 1 more (global-bgp-peers)\n\
         ~ 3 of peers (AS number): calico/0 -- calico/0, calico/1, calico/2 (global-bgp-peers)\n\
         + 2 of peers: calico/0, calico/1 -- router tor-1 (global-bgp-peers)\n\
         \nPods reached\n\
         - 2 from calico/0 to pods on calico/0, calico/1: the last hop has no route\n\
         + 2 from calico/0 to pods on calico/0, calico/1\n\
         \nPods on pools that go\n\
         ! IPPool old 10.1.0.0/16: 12 addresses in use on a, b\n    \
         restart the pods there: the pool goes once they are free\n"
    );
}

#[test]
fn long_lists_are_cut_where_they_are_folded() {
    let mut effects = effects();
    let row = effects.changed[0].clone();
    effects.changed = vec![row; 25];
    effects.reach = None;
    let comparison = Comparison {
        effects: Some(effects),
        ..Comparison::default()
    };
    let shown = text("calico", 30, &comparison, true);
    assert!(shown.contains("\n! and 5 more: --all\n"), "{shown}");
    assert!(shown.contains("was not computed"), "{shown}");
    let shown = text("calico", 30, &comparison, false);
    assert_eq!(shown.matches("- 6 of the mesh").count(), 25);
}

#[test]
fn neighbours_share_their_reason() {
    let change = Change {
        action: Action::Create,
        kind: "IPPool".into(),
        name: "ipv4".into(),
        unit: None,
        fields: vec![
            field("ipipMode", None, "Always", "ipip"),
            field("vxlanMode", None, "Never", "ipip"),
            field("cidr", None, "10.0.0.0/8", "cidr"),
        ],
        because: None,
    };
    assert_eq!(
        fields(&change),
        "ipipMode Always, vxlanMode Never (ipip), cidr 10.0.0.0/8 (cidr)"
    );
}
