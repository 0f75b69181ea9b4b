//! Laws that any right answer keeps, whatever it is: names, order and the number of equal nodes do not matter.

use std::collections::BTreeMap;
use std::net::IpAddr;

use calico_charm::fabric::{
    Address, Budget, Checked, Classes, Fate, Filter, FilterAction, FilterRule, Scope, Severity,
    Speaker, Target, Topology, Verdict, check, check_by_classes, derive,
};
use calico_charm::model::Family;
use proptest::prelude::*;

use crate::equality::by_classes;
use crate::fabrics::{Draft, Whom, draft};
use crate::links::speaker_of;

/// For each plane, owner of a block and speaker, by name: whether there is a route, and the fate.
type Answers = BTreeMap<(usize, String, String), (bool, Fate)>;

/// A fate that stands for all of its kind where several equally good ways fail in different manners.
fn kind(fate: Fate) -> Fate {
    if fate.arrives() || fate == Fate::NoAddress {
        fate
    } else {
        Fate::NoRoute
    }
}

fn name(checked: &Checked<'_>, speaker: Speaker) -> String {
    if let Some(node) = checked.topology.nodes.get(speaker as usize) {
        return node.name.clone();
    }
    let router = &checked.sessions.routers[(speaker - checked.sessions.nodes) as usize];
    router.name.clone()
}

fn answers(checked: &Checked<'_>) -> Answers {
    let speakers = checked.topology.nodes.len() + checked.sessions.routers.len();
    let mut all = Answers::new();
    for (index, plane) in checked.planes.iter().enumerate() {
        for origin in 0..checked.sessions.nodes {
            let of = checked.classes.of(origin);
            if !plane.has_blocks(of) {
                continue;
            }
            for at in (0..speaker_of(speakers)).filter(|at| *at != origin) {
                let class = checked.classes.of(at);
                let key = (index, name(checked, origin), name(checked, at));
                all.insert(
                    key,
                    (plane.received(of, class), kind(plane.fate(of, class))),
                );
            }
        }
    }
    all
}

/// The verdicts without what they name as example.
fn verdicts(checked: &Checked<'_>) -> (String, Option<String>) {
    let word = |verdict: &Verdict| match verdict {
        Verdict::Refuted { .. } => "refuted".to_owned(),
        other => format!("{other:?}"),
    };
    (
        word(&checked.reach.nodes),
        checked.reach.routers.as_ref().map(word),
    )
}

fn cases() -> ProptestConfig {
    ProptestConfig {
        cases: (400 * ProptestConfig::default().cases / 256).max(1),
        max_shrink_iters: 500,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Drafts without what depends on the order by its nature: an address that nothing names, with two AS numbers.
fn drafts() -> impl Strategy<Value = Draft> {
    draft(10, 3, 7).prop_map(|mut draft| {
        for peer in &mut draft.peers {
            if matches!(peer.whom, Whom::Stranger(_) | Whom::Far(_)) {
                peer.wrong = None;
            }
        }
        draft
    })
}

/// Changes every place of a node in peerings and pools.
fn move_nodes(topology: &mut Topology, to: impl Fn(u32) -> u32) {
    let all = |nodes: &mut Vec<u32>| {
        for node in nodes.iter_mut() {
            *node = to(*node);
        }
    };
    for peering in &mut topology.peerings {
        match &mut peering.scope {
            Scope::Global => {}
            Scope::Node(node) => *node = to(*node),
            Scope::Selected(nodes) => all(nodes),
        }
        if let Target::Nodes(nodes) = &mut peering.target {
            all(nodes);
        }
    }
}

/// The same fabric with IPv6 addresses instead, whose order as text is that of the IPv4 ones.
fn mirror(topology: &Topology) -> Topology {
    let ip = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => {
            let [_, _, subnet, host] = ip.octets();
            // Two digits each, so that the order as text is that of the numbers; nothing looks at it where all nodes
            // of a draft peer by address and node.
            format!("fd00:0:0:{subnet:x}::{host:x}")
                .parse()
                .expect("an address")
        }
        IpAddr::V6(_) => ip,
    };
    let address = |address: Address| Address {
        ip: ip(address.ip),
        subnet: calico_charm::model::Cidr::network_of(ip(address.ip), 64),
    };
    let mut other = topology.clone();
    for node in &mut other.nodes {
        // The IPv4 address stays as router ID.
        node.v6 = node.v4.map(address);
        if let calico_charm::fabric::Gateway::At(at) = node.gateway {
            node.gateway = calico_charm::fabric::Gateway::At(ip(at));
        }
    }
    for router in &mut other.routers {
        router.addresses = router.addresses.iter().copied().map(address).collect();
    }
    for peering in &mut other.peerings {
        if let Target::Address(to) = &peering.target {
            peering.target = Target::Address(ip(to.ip()).to_string().parse().expect("an address"));
        }
    }
    for pool in &mut other.pools {
        pool.cidr = "fd01::/48".parse().expect("a network");
        pool.block_size = 122;
    }
    other
}

/// What drafts leave out and the check still has to make sense of.
#[derive(Debug, Clone)]
struct Oddity {
    /// Which peerings have a filter that lets nothing pass, by their place.
    filtered: u16,
    /// Whether it is for what comes in.
    import: bool,
    pools_known: bool,
    exported: bool,
    /// Which nodes the first pool is for, by their place.
    selected: Option<u16>,
}

fn oddity() -> impl Strategy<Value = Oddity> {
    let filtered = prop_oneof![2 => Just(0), 1 => any::<u16>()];
    let selected = prop_oneof![4 => Just(None), 1 => any::<u16>().prop_map(Some)];
    let often = || prop::bool::weighted(0.8);
    (filtered, any::<bool>(), often(), often(), selected).prop_map(
        |(filtered, import, pools_known, exported, selected)| Oddity {
            filtered,
            import,
            pools_known,
            exported,
            selected,
        },
    )
}

impl Oddity {
    fn happen_to(&self, topology: &mut Topology) {
        let nothing = || FilterRule {
            action: FilterAction::Reject,
            network: None,
            prefix_length: None,
            unmodelled: None,
        };
        let mut filter = Filter {
            name: "nothing".to_owned(),
            ..Filter::default()
        };
        let rules = if self.import {
            &mut filter.import
        } else {
            &mut filter.export
        };
        *rules = [vec![nothing()], vec![nothing()]];
        topology.filters.push(filter);
        for (index, peering) in (0..16).zip(&mut topology.peerings) {
            if self.filtered >> index & 1 == 1 {
                let extra = peering.extra.get_or_insert_default();
                extra.filters.push("nothing".to_owned());
            }
        }
        for pool in &mut topology.pools {
            pool.exported = self.exported;
        }
        if let Some(selected) = self.selected {
            let count = speaker_of(topology.nodes.len());
            let nodes = (0..count).filter(|node| selected >> node & 1 == 1);
            topology.pools[0].nodes = Some(nodes.collect());
        }
        if !self.pools_known {
            topology.pools.clear();
        }
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn what_is_refuted_is_told_as_an_error(draft in draft(10, 3, 7), oddity in oddity()) {
        let mut topology = draft.topology();
        oddity.happen_to(&mut topology);
        let checked = check(&topology, Budget::COMMAND);
        let errors = checked.of_severity(Severity::Error).count();
        let reach = &checked.reach;
        for verdict in [Some(&reach.nodes), reach.routers.as_ref()].into_iter().flatten() {
            let refuted = matches!(verdict, Verdict::Refuted { .. });
            prop_assert!(!refuted || errors > 0, "{:?}", verdict);
        }
        // What was proved was looked at.
        let proved = |verdict: &Verdict| matches!(verdict, Verdict::Proved | Verdict::ProvedIf(_));
        prop_assert!(!proved(&reach.nodes) || reach.node_pairs.0 > 0 || topology.nodes.len() < 2);
        prop_assert!(!reach.routers.as_ref().is_some_and(proved) || reach.router_pairs.0 > 0);
    }

    #[test]
    fn classes_say_what_the_full_graph_says(draft in draft(24, 3, 9)) {
        let topology = draft.topology();
        let coarse = by_classes(&topology);
        let sessions = derive(&topology);
        let discrete = Classes::discrete(&sessions);
        let full = check_by_classes(&topology, sessions, discrete, Budget::COMMAND);
        prop_assert_eq!(answers(&coarse), answers(&full));
        prop_assert_eq!(verdicts(&coarse), verdicts(&full));
        prop_assert_eq!(coarse.reach.node_pairs, full.reach.node_pairs);
        prop_assert_eq!(coarse.reach.router_pairs, full.reach.router_pairs);
    }

    #[test]
    fn the_order_of_nodes_and_peerings_does_not_matter(draft in drafts(), by in 0u32..10) {
        let topology = draft.topology();
        let mut turned = topology.clone();
        let count = speaker_of(topology.nodes.len());
        turned.nodes.rotate_left((by % count) as usize);
        move_nodes(&mut turned, |node| (node + count - by % count) % count);
        turned.peerings.reverse();
        // Routers that peers alone tell of are named by their AS number: the same in either order.
        let (one, other) = (by_classes(&topology), by_classes(&turned));
        prop_assert_eq!(answers(&one), answers(&other));
        prop_assert_eq!(verdicts(&one), verdicts(&other));
        prop_assert_eq!(one.reach.node_pairs, other.reach.node_pairs);
        prop_assert_eq!(one.reach.router_pairs, other.reach.router_pairs);
    }

    #[test]
    fn names_do_not_matter(draft in drafts()) {
        let topology = draft.topology();
        let mut renamed = topology.clone();
        let count = renamed.nodes.len();
        for (index, node) in renamed.nodes.iter_mut().enumerate() {
            node.name = format!("machine-{}", count - index);
            node.unit = Some(format!("net/{}", 100 + count - index).parse().expect("a unit"));
        }
        let (one, other) = (by_classes(&topology), by_classes(&renamed));
        prop_assert_eq!(&one.reach, &other.reach);
        prop_assert_eq!(&one.planes, &other.planes);
    }

    #[test]
    fn a_node_by_itself_changes_nothing_for_the_others(draft in drafts()) {
        let topology = draft.topology();
        prop_assume!(!topology.mesh.value);
        let mut larger = topology.clone();
        let mut lonely = topology.nodes[0].clone();
        lonely.name = "lonely".to_owned();
        lonely.cluster_id = None;
        lonely.v4 = Some(Address {
            ip: "10.77.0.10".parse().expect("an address"),
            subnet: "10.77.0.0/24".parse().expect("a network"),
        });
        lonely.v6 = None;
        larger.nodes.push(lonely);
        let one = by_classes(&topology);
        let other = by_classes(&larger);
        let mut rest = answers(&other);
        rest.retain(|(_, of, at), _| of != "lonely" && at != "lonely");
        prop_assert_eq!(answers(&one), rest);
    }

    #[test]
    fn one_node_more_of_a_class_is_answered_like_its_twin(draft in drafts(), which in 0usize..10) {
        let topology = draft.topology();
        let which = which % topology.nodes.len();
        // A reflector's twin is not the same fabric: a second way, and with 0.0.0.0 a second cluster. Nor is that of a
        // node that others peer with.
        prop_assume!(topology.nodes[which].cluster_id.is_none());
        let own: Vec<IpAddr> = [topology.nodes[which].v4, topology.nodes[which].v6]
            .into_iter()
            .flatten()
            .map(|address| address.ip)
            .collect();
        prop_assume!(!topology.peerings.iter().any(|peering| match &peering.target {
            Target::Address(to) => own.contains(&to.ip()),
            Target::Nodes(_) => true,
        }));
        let mut larger = topology.clone();
        let mut twin = topology.nodes[which].clone();
        "twin".clone_into(&mut twin.name);
        for (address, family) in [(&mut twin.v4, Family::V4), (&mut twin.v6, Family::V6)] {
            if let Some(address) = address {
                address.ip = match (address.ip, family) {
                    (IpAddr::V4(ip), _) => {
                        let [a, b, c, _] = ip.octets();
                        IpAddr::from([a, b, c, 240])
                    }
                    (IpAddr::V6(ip), _) => {
                        let mut segments = ip.segments();
                        segments[7] = 240;
                        IpAddr::from(segments)
                    }
                };
            }
        }
        larger.nodes.push(twin);
        let place = speaker_of(topology.nodes.len());
        for peering in &topology.peerings {
            if peering.scope == Scope::Node(speaker_of(which)) {
                let mut peering = peering.clone();
                peering.scope = Scope::Node(place);
                larger.peerings.push(peering);
            }
        }
        let (one, other) = (by_classes(&topology), by_classes(&larger));
        let mut all = answers(&other);
        let name = &topology.nodes[which].name;
        // The twin is answered as the node is, by everybody else.
        for ((plane, of, at), answer) in &all {
            if at == "twin" && of != name {
                prop_assert_eq!(all.get(&(*plane, of.clone(), name.clone())), Some(answer));
            }
            if of == "twin" && at != name {
                prop_assert_eq!(all.get(&(*plane, name.clone(), at.clone())), Some(answer));
            }
        }
        // Nobody loses a route by it.
        let before = answers(&one);
        all.retain(|(_, of, at), _| of != "twin" && at != "twin");
        for (key, (received, _)) in &before {
            prop_assert!(!received || all[key].0, "{:?} is lost", key);
        }
    }

    #[test]
    fn both_families_are_alike(draft in drafts()) {
        let mut draft = draft;
        draft.pool6 = 0;
        // IPIP is for IPv4 alone.
        draft.pool = if draft.pool < 3 { 0 } else { draft.pool };
        // Two addresses are compared as text where a peer is for everybody; drafts have peers of single nodes alone.
        let topology = draft.topology();
        let other = mirror(&topology);
        let (one, other) = (by_classes(&topology), by_classes(&other));
        prop_assert_eq!(answers(&one), answers(&other));
        prop_assert_eq!(verdicts(&one), verdicts(&other));
        prop_assert_eq!(one.reach.node_pairs, other.reach.node_pairs);
    }
}
