//! One mistake in a large fabric that is right: the check names the option that has it.

use calico_charm::fabric::{Budget, Finding, Severity, check};
use calico_charm::model::Place;

use crate::racks::{Racks, as_number, reflector, router, subnet};

/// A mistake: what it is, the option it is in, the codes that tell of it, and how it is made in a rack.
struct Mistake {
    name: &'static str,
    option: &'static str,
    codes: &'static [u16],
    make: fn(&mut Racks, u32),
}

const MISTAKES: &[Mistake] = &[
    Mistake {
        name: "a typing error in a subnet's AS number entry",
        option: "subnet-as-numbers",
        codes: &[6],
        make: |racks, rack| {
            let number = racks
                .subnet_as_numbers
                .remove(&subnet(rack, 0))
                .expect("an entry");
            racks
                .subnet_as_numbers
                .insert(subnet(rack, 0).replace("10.", "10.2"), number);
        },
    },
    Mistake {
        name: "a typing error in a subnet's peer entry",
        option: "subnet-bgp-peers",
        codes: &[6],
        make: |racks, rack| {
            let peers = racks
                .subnet_peers
                .remove(&subnet(rack, 1))
                .expect("an entry");
            racks
                .subnet_peers
                .insert(subnet(rack, 1).replace("10.", "10.2"), peers);
        },
    },
    Mistake {
        name: "another AS number for one subnet of a rack",
        option: "subnet-as-numbers",
        codes: &[20],
        make: |racks, rack| {
            racks.subnet_as_numbers.insert(subnet(rack, 1), 65100);
        },
    },
    Mistake {
        name: "another AS number for a whole rack",
        option: "subnet-as-numbers",
        codes: &[20],
        make: |racks, rack| {
            for side in 0..2 {
                racks.subnet_as_numbers.insert(subnet(rack, side), 65100);
            }
        },
    },
    Mistake {
        name: "a reflector that no subnet peers with",
        option: "route-reflector-cluster-ids",
        codes: &[43],
        make: |racks, rack| {
            for side in 0..2 {
                let peers = racks
                    .subnet_peers
                    .get_mut(&subnet(rack, side))
                    .expect("an entry");
                peers.retain(|(address, _)| *address != reflector(rack, 1));
            }
        },
    },
    Mistake {
        name: "clients of one cluster split between its reflectors",
        option: "route-reflector-cluster-ids",
        codes: &[43],
        make: |racks, rack| {
            let unit = racks.unit(rack, 0);
            let other = (reflector(rack, 1), as_number(rack));
            racks
                .unit_peers
                .get_mut(&unit)
                .expect("an entry")
                .push(other);
            for side in 0..2 {
                let peers = racks
                    .subnet_peers
                    .get_mut(&subnet(rack, side))
                    .expect("an entry");
                peers.retain(|(address, _)| *address == reflector(rack, side));
            }
        },
    },
    Mistake {
        name: "a reflector without cluster ID",
        option: "route-reflector-cluster-ids",
        codes: &[46],
        make: |racks, rack| {
            racks.cluster_ids.remove(&racks.unit(rack, 0));
        },
    },
    Mistake {
        name: "a cluster ID for a unit that is not there",
        option: "route-reflector-cluster-ids",
        codes: &[6],
        make: |racks, rack| {
            let id = racks
                .cluster_ids
                .remove(&racks.unit(rack, 0))
                .expect("an entry");
            racks.cluster_ids.insert(90_000 + rack, id);
        },
    },
    Mistake {
        name: "cluster ID 0.0.0.0",
        option: "route-reflector-cluster-ids",
        codes: &[8],
        make: |racks, rack| {
            for side in 0..2 {
                racks
                    .cluster_ids
                    .insert(racks.unit(rack, side), "0.0.0.0".to_owned());
            }
        },
    },
    Mistake {
        name: "the mesh left on",
        option: "node-to-node-mesh",
        codes: &[50],
        make: |racks, _| racks.mesh = true,
    },
    Mistake {
        name: "a reflector's address with a typing error",
        option: "subnet-bgp-peers",
        codes: &[43],
        make: |racks, rack| {
            let peers = racks
                .subnet_peers
                .get_mut(&subnet(rack, 0))
                .expect("an entry");
            peers[1].0.push('2');
        },
    },
    Mistake {
        name: "a reflector's AS number with a typing error",
        option: "subnet-bgp-peers",
        codes: &[20],
        make: |racks, rack| {
            let peers = racks
                .subnet_peers
                .get_mut(&subnet(rack, 0))
                .expect("an entry");
            peers[1].1 = 65200;
        },
    },
    Mistake {
        name: "the router's AS number wrong for one unit",
        option: "unit-bgp-peers",
        codes: &[20],
        make: |racks, rack| {
            let unit = racks.unit(rack, 0);
            racks.unit_peers.get_mut(&unit).expect("an entry")[0].1 = 65200;
        },
    },
    Mistake {
        name: "the neighbouring rack's router",
        option: "unit-bgp-peers",
        codes: &[23],
        make: |racks, rack| {
            let (unit, other) = (racks.unit(rack, 0), (rack + 1) % racks.count);
            let number = racks.router_as_numbers[other as usize];
            racks
                .unit_peers
                .insert(unit, vec![(router(other, 0), number)]);
        },
    },
    Mistake {
        name: "a unit's own address as peer",
        option: "unit-bgp-peers",
        codes: &[10],
        make: |racks, rack| {
            let unit = racks.unit(rack, 0);
            racks
                .unit_peers
                .insert(unit, vec![(reflector(rack, 0), as_number(rack))]);
        },
    },
    Mistake {
        name: "peers for a unit that is not there",
        option: "unit-bgp-peers",
        codes: &[6],
        make: |racks, rack| {
            let peers = racks
                .unit_peers
                .remove(&racks.unit(rack, 0))
                .expect("an entry");
            racks.unit_peers.insert(90_000 + rack, peers);
        },
    },
    Mistake {
        name: "no peers for a rack's subnets",
        option: "subnet-bgp-peers",
        codes: &[60, 102],
        make: |racks, rack| {
            for side in 0..2 {
                racks.subnet_peers.remove(&subnet(rack, side));
            }
        },
    },
    Mistake {
        name: "a pool with fewer blocks than machines",
        option: "cidr",
        codes: &[91],
        make: |racks, _| "172.16.0.0/24".clone_into(&mut racks.cidr),
    },
];

fn without_routers(racks: &mut Racks, rack: u32) {
    for side in 0..2 {
        racks.unit_peers.remove(&racks.unit(rack, side));
    }
}

/// Where routers are of their racks' AS.
const BETWEEN_INNER_ROUTERS: &[Mistake] = &[Mistake {
    name: "no router for a rack",
    option: "unit-bgp-peers",
    codes: &[60, 62],
    make: without_routers,
}];

/// Where they have AS numbers of their own. Peering the clients with the router is as good a repair there.
const BETWEEN_OUTER_ROUTERS: &[Mistake] = &[Mistake {
    name: "no router for a rack",
    option: "subnet-bgp-peers",
    codes: &[60, 62],
    make: without_routers,
}];

/// Mistakes that packets survive, and that nothing is said of yet.
const SILENT: &[Mistake] = &[
    Mistake {
        name: "another AS number for one client",
        option: "unit-as-numbers",
        codes: &[51, 63],
        make: |racks, rack| {
            let unit = racks.unit(rack, 3);
            racks.unit_as_numbers.insert(unit, 65100);
        },
    },
    Mistake {
        name: "two racks with one AS number",
        option: "subnet-as-numbers",
        codes: &[47, 61],
        make: |racks, rack| {
            let other = as_number((rack + 1) % racks.count);
            for side in 0..2 {
                racks.subnet_as_numbers.insert(subnet(rack, side), other);
                let peers = racks
                    .subnet_peers
                    .get_mut(&subnet(rack, side))
                    .expect("an entry");
                for peer in peers {
                    peer.1 = other;
                }
            }
        },
    },
];

/// Findings with those folded under them.
fn all(findings: &[Finding]) -> Vec<&Finding> {
    findings
        .iter()
        .flat_map(|finding| std::iter::once(finding).chain(all(&finding.folded)))
        .collect()
}

/// Whether it points to the option: as the place at fault, as the other place, or in what to write instead.
fn names(finding: &Finding, mistake: &Mistake) -> bool {
    let of = |place: Option<&Place>| place.is_some_and(|place| place.option == mistake.option);
    let tells = |text: &Option<String>| {
        text.as_ref()
            .is_some_and(|text| text.contains(mistake.option))
    };
    mistake.codes.contains(&finding.code.0)
        && (of(finding.origin.place())
            || of(finding.other.as_ref().and_then(|(other, _)| other.place()))
            || tells(&finding.remedy)
            || tells(&finding.command))
}

/// Makes each mistake in each rack by itself, and wants it named by a finding that the fabric did not have before.
fn assert_named<'m>(fabric: &Racks, mistakes: impl IntoIterator<Item = (&'m Mistake, u32)>) {
    let before = fabric.topology();
    let quiet = check(&before, Budget::COMMAND).findings;
    let mut missed = Vec::new();
    for (mistake, rack) in mistakes {
        let mut wrong = fabric.clone();
        (mistake.make)(&mut wrong, rack);
        let topology = wrong.topology();
        let findings = check(&topology, Budget::COMMAND).findings;
        let fresh: Vec<&Finding> = all(&findings)
            .into_iter()
            .filter(|finding| !all(&quiet).contains(finding))
            .collect();
        if !fresh.iter().any(|finding| names(finding, mistake)) {
            let lines: Vec<String> = fresh.iter().map(|one| format!("    {one}")).collect();
            missed.push(format!(
                "{} in rack {rack}, {} {:?}:\n{}",
                mistake.name,
                mistake.option,
                mistake.codes,
                lines.join("\n")
            ));
        }
    }
    assert!(
        missed.is_empty(),
        "{} missed\n{}",
        missed.len(),
        missed.join("\n")
    );
}

fn everywhere(mistakes: &[Mistake], racks: u32) -> impl Iterator<Item = (&Mistake, u32)> {
    mistakes
        .iter()
        .flat_map(move |mistake| (0..racks).map(move |rack| (mistake, rack)))
}

/// Each in one rack, another one each time.
fn here_and_there(mistakes: &[Mistake]) -> impl Iterator<Item = (&Mistake, u32)> {
    (0..)
        .zip(mistakes)
        .map(|(index, mistake)| (mistake, (3 + 41 * index) % 125))
}

#[test]
fn the_fabrics_without_mistakes_have_no_error_and_lose_nothing() {
    for racks in [
        Racks::new(6, 8),
        Racks::new(6, 8).with_outer_routers(),
        Racks::new(125, 8),
    ] {
        let topology = racks.topology();
        let checked = check(&topology, Budget::COMMAND);
        let errors: Vec<String> = checked
            .of_severity(Severity::Error)
            .map(ToString::to_string)
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
        let nodes = u64::from(racks.count * racks.per_rack);
        assert_eq!(
            checked.reach.node_pairs,
            (nodes * (nodes - 1), nodes * (nodes - 1))
        );
    }
}

#[test]
fn every_mistake_in_every_rack_of_a_small_fabric_is_named() {
    let inner = Racks::new(5, 6);
    assert_named(&inner, everywhere(MISTAKES, 5));
    assert_named(&inner, everywhere(BETWEEN_INNER_ROUTERS, 5));
}

#[test]
fn every_mistake_in_every_rack_between_outer_routers_is_named() {
    let outer = Racks::new(5, 6).with_outer_routers();
    assert_named(&outer, everywhere(MISTAKES, 5));
    assert_named(&outer, everywhere(BETWEEN_OUTER_ROUTERS, 5));
}

#[test]
fn every_mistake_among_125_racks_is_named() {
    let half = MISTAKES.len() / 2;
    let all: Vec<_> = here_and_there(MISTAKES).collect();
    let (one, other) = all.split_at(half);
    // Two at a time: the checks are most of what these tests do.
    std::thread::scope(|scope| {
        for part in [one, other] {
            scope.spawn(|| assert_named(&Racks::new(125, 8), part.iter().copied()));
        }
    });
}

/// Where this fails because one of them is named, it belongs among the others.
#[test]
fn mistakes_that_packets_survive_lose_nothing_and_have_no_error() {
    let fabric = Racks::new(5, 6).with_outer_routers();
    for (mistake, rack) in everywhere(SILENT, 5) {
        let mut wrong = fabric.clone();
        (mistake.make)(&mut wrong, rack);
        let topology = wrong.topology();
        let checked = check(&topology, Budget::COMMAND);
        let (all, good) = checked.reach.node_pairs;
        assert_eq!(all, good, "{} in rack {rack}", mistake.name);
        let named = checked
            .findings
            .iter()
            .any(|finding| names(finding, mistake));
        assert!(!named, "{} in rack {rack}", mistake.name);
    }
}
