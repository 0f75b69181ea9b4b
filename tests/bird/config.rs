//! BIRD's configuration, as Calico's confd would write it for a node and an operator for a router.

use std::fmt::Write as _;
use std::path::Path;

use calico_charm::fabric::NextHop;

use super::wiring::{Machine, Neighbour};

/// The configuration of one machine, which writes its log to a file.
pub fn configuration(machine: &Machine, listen_port: u16, log: &Path) -> String {
    let mut text = format!(
        "router id {};\nlisten bgp port {listen_port};\nlog \"{}\" all;\n",
        machine.router_id,
        log.display()
    );
    text += "protocol device { scan time 2; }\n";
    text += "protocol direct { interface \"eth*\", \"uplink\"; }\n";
    // Learning takes in the default route and those to other routers' subnets, by which next hops are resolved.
    text += "protocol kernel { learn; scan time 2; import all; export all; merge paths on; }\n";
    if let Some((block, _)) = machine.block {
        writeln!(text, "protocol static {{ route {block} blackhole; }}")
            .expect("a String takes everything");
    }
    text += &export_filters(machine);
    for neighbour in &machine.neighbours {
        text += &protocol(neighbour);
    }
    text
}

/// A node announces what is in its pools, learned from others or not; a router passes on what BGP told it.
fn export_filters(machine: &Machine) -> String {
    let condition = match (machine.block, machine.announced) {
        (None, _) => "source = RTS_BGP".to_owned(),
        (Some(_), None) => "false".to_owned(),
        (Some(_), Some(pool)) => format!("net ~ [ {pool}+ ]"),
    };
    let peers = format!("filter to_peers {{ if {condition} then accept; reject; }}\n");
    // Every router has a session with every other: what one told another, it told all.
    let routers = format!(
        "filter to_routers {{ if {condition} && ! (proto ~ \"router*\") then accept; reject; }}\n"
    );
    peers + &routers
}

fn protocol(neighbour: &Neighbour) -> String {
    let side = &neighbour.side;
    let mut text = format!("protocol bgp {} {{\n", neighbour.protocol);
    let mut line = |words: String| writeln!(text, "  {words};").expect("a String takes everything");
    line(format!("local as {}", side.local_as.value()));
    line(format!(
        "neighbor {} port {} as {}",
        neighbour.remote,
        side.port,
        side.remote_as.value()
    ));
    line(format!("source address {}", side.ip));
    if neighbour.multihop {
        line("multihop".to_owned());
    }
    line("gateway recursive".to_owned());
    if side.passive {
        line("passive on".to_owned());
    }
    if side.client {
        line("rr client".to_owned());
        if let Some(id) = neighbour.cluster_id {
            line(format!("rr cluster id {id}"));
        }
    }
    match side.next_hop {
        NextHop::Auto => {}
        NextHop::Own => line("next hop self".to_owned()),
        NextHop::Keep => line("next hop keep".to_owned()),
    }
    if side.allowed_local_as > 0 {
        line(format!("allow local as {}", side.allowed_local_as));
    }
    line("add paths on".to_owned());
    line("connect delay time 1".to_owned());
    line("connect retry time 2".to_owned());
    line("error wait time 1, 2".to_owned());
    line("startup hold time 10".to_owned());
    line("import all".to_owned());
    let filter = if neighbour.uplink {
        "to_routers"
    } else {
        "to_peers"
    };
    line(format!("export filter {filter}"));
    text += "}\n";
    text
}
