//! Small fabrics made by hand, and what the check says to them.

pub(super) use crate::fabric::fixtures::address;
use crate::fabric::{
    Backend, Budget, Gateway, Node, Origin, Peering, PeeringExtra, Scope, Severity, Target, Told,
    Topology, check,
};
use crate::model::{AsNumber, Place};

pub(super) fn as_number(number: u32) -> AsNumber {
    AsNumber::new(number).unwrap()
}

pub(super) fn node(name: &str, v4: &str) -> Node {
    Node {
        name: name.to_owned(),
        unit: None,
        v4: (!v4.is_empty()).then(|| address(v4)),
        v6: None,
        as_number: None,
        cluster_id: None,
        zone: None,
        gateway: Gateway::Unknown,
    }
}

pub(super) fn object(kind: &'static str, name: &str) -> Origin {
    Origin::Object {
        kind,
        name: name.to_owned(),
    }
}

/// Three nodes of one subnet and one AS without a mesh, as objects that somebody else made.
pub(super) fn fabric(peerings: Vec<Peering>) -> Topology {
    let configuration = || object("BGPConfiguration", "default");
    Topology {
        nodes: vec![
            node("a", "10.0.0.2/24"),
            node("b", "10.0.0.3/24"),
            node("c", "10.0.0.4/24"),
        ],
        routers: Vec::new(),
        peerings,
        filters: Vec::new(),
        pools: Vec::new(),
        services: Vec::new(),
        service_cidrs: Vec::new(),
        mesh: Told {
            value: false,
            origin: configuration(),
        },
        as_number: Told {
            value: as_number(64512),
            origin: configuration(),
        },
        listen_port: 179,
        backend: Backend::Bird,
        release: "v3.32.1".parse().unwrap(),
        host_mtu: None,
        idle: Vec::new(),
        guessed: Vec::new(),
        unmodelled: Vec::new(),
    }
}

pub(super) fn meshed(peerings: Vec<Peering>) -> Topology {
    let mut topology = fabric(peerings);
    topology.mesh.value = true;
    topology
}

/// A BGPPeer of some nodes for an address.
pub(super) fn peer(name: &str, scope: Scope, address: &str, number: u32) -> Peering {
    Peering {
        origin: object("BGPPeer", name),
        scope,
        target: Target::Address(address.parse().unwrap()),
        as_number: Some(as_number(number)),
        extra: None,
    }
}

pub(super) fn with(peering: Peering, extra: PeeringExtra) -> Peering {
    Peering {
        extra: Some(Box::new(extra)),
        ..peering
    }
}

pub(super) fn by_option(peering: Peering, option: &str, path: &str) -> Peering {
    Peering {
        origin: Origin::Option(Place {
            option: option.to_owned(),
            path: path.to_owned(),
        }),
        ..peering
    }
}

/// Every pair of the three nodes peers, one BGPPeer a pair, so that nothing is missing without the mesh.
pub(super) fn full() -> Vec<Peering> {
    vec![
        peer("ab", Scope::Node(0), "10.0.0.3", 64512),
        peer("ac", Scope::Node(0), "10.0.0.4", 64512),
        peer("bc", Scope::Node(1), "10.0.0.4", 64512),
    ]
}

/// The codes found, errors marked.
pub(super) fn codes(topology: &Topology) -> Vec<String> {
    let checked = check(topology, Budget::COMMAND);
    let mut codes: Vec<String> = checked
        .findings
        .iter()
        .map(|finding| {
            assert!(finding.remedy.is_some(), "{finding}");
            let mark = if finding.severity() == Severity::Error {
                "!"
            } else {
                ""
            };
            format!("{}{mark}", finding.code)
        })
        .collect();
    codes.dedup();
    codes
}

/// `code` is there in the first fabric and not in the second; the first has no other error, the second none at all.
pub(super) fn proves(code: &str, failing: &Topology, fixed: &Topology) {
    let found = codes(failing);
    assert!(
        found.iter().any(|one| one.trim_end_matches('!') == code),
        "{code} failing: {found:?}"
    );
    assert!(
        found
            .iter()
            .all(|one| !one.ends_with('!') || one.trim_end_matches('!') == code),
        "{code} failing: {found:?}"
    );
    let left = codes(fixed);
    assert!(
        left.iter().all(|one| !one.ends_with('!') && one != code),
        "{code} fixed: {left:?}"
    );
}
