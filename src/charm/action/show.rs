//! `show`: what this unit is and what it sees. Reads only.

use std::collections::BTreeSet;
use std::fmt::Display;

use serde::Serialize;
use serde_json::json;

use super::answer::{Answer, document, listed};
use super::parameters::{Format, Parameters};
use super::reason::Reason;
use crate::charm::Report;
use crate::charm::observe::first_look;
use crate::charm::reconcile::{Stop, Work};
use crate::cluster::mode;
use crate::host::Host;
use crate::juju::HookTools;
use crate::plan::Live;
use crate::printable::printable_line;
use crate::render::{BgpPeerName, Kind};

/// A value and the option that gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Given<V> {
    value: V,
    because: String,
}

/// A BGP session that an option asks for.
#[derive(Debug, Serialize)]
struct Session {
    address: String,
    as_number: u32,
    because: String,
    /// The BGPPeer.
    object: String,
    /// Whether the BGPPeer is there; absent when the cluster could not be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<bool>,
}

/// An IP pool of the cluster.
#[derive(Debug, Serialize)]
pub(super) struct Pool {
    name: String,
    cidr: String,
    ipip: String,
    vxlan: String,
    nat_outgoing: bool,
    pub(super) disabled: bool,
}

/// All of it.
#[derive(Debug, Serialize)]
struct View {
    application: String,
    unit: String,
    principal: Option<String>,
    leader: bool,
    addresses: Vec<String>,
    node: Option<String>,
    as_number: Given<u32>,
    cluster_id: Option<Given<String>>,
    node_to_node_mesh: bool,
    sessions: Vec<Session>,
    /// Options that name an address of this unit's own.
    skipped: Vec<String>,
    pools: Option<Vec<Pool>>,
    /// What runs, as Calico itself says.
    release: Option<String>,
    health: Option<String>,
}

/// Shows it. What needs no cluster is shown without one too, and the action fails with the reason.
pub(super) async fn show<T: HookTools, H: Host>(
    work: &Work<'_, T, H>,
    parameters: &Parameters,
) -> Answer {
    let mut view = view(work);
    let failure = look(work, &mut view).await.err().map(Reason::from);
    let text = match parameters.format {
        Format::Text => listed(&lines(&view)),
        Format::Json => document(json!(view), "sessions"),
    };
    let answer = Answer::default().with("show", text);
    match failure {
        Some(reason) => answer.fail(reason),
        None => answer,
    }
}

/// What options and Juju say.
fn view<T: HookTools, H: Host>(work: &Work<'_, T, H>) -> View {
    let (config, intent) = (work.config, work.intent);
    let as_number = match intent.as_number() {
        Some(number) => Given {
            value: number.value.value(),
            because: number.place.to_string(),
        },
        None => Given {
            value: intent.session_as_number().value(),
            because: "global-as-number".to_owned(),
        },
    };
    let sessions = intent.peers().iter().map(|(address, number)| Session {
        address: address.to_string(),
        as_number: number.value.value(),
        because: number.place.to_string(),
        object: BgpPeerName::new(intent.unit(), *address).to_string(),
        written: None,
    });
    let addresses = work.juju.addresses.iter();
    View {
        application: work.identity.unit.application().to_owned(),
        unit: work.identity.unit.to_string(),
        principal: work.surroundings.context.principal.clone(),
        leader: work.juju.leader,
        addresses: addresses
            .map(|address| format!("{}/{}", address.ip, address.subnet.prefix()))
            .collect(),
        node: None,
        as_number,
        cluster_id: intent.cluster_id().map(|id| Given {
            value: id.value.to_string(),
            because: id.place.to_string(),
        }),
        node_to_node_mesh: config.node_to_node_mesh,
        sessions: sessions.collect(),
        skipped: intent
            .skipped_own()
            .iter()
            .map(ToString::to_string)
            .collect(),
        pools: None,
        release: None,
        health: None,
    }
}

/// What the cluster says.
async fn look<T: HookTools, H: Host>(work: &Work<'_, T, H>, view: &mut View) -> Result<(), Stop> {
    let look = first_look(work.surroundings).await?;
    let kubernetes = look.kubernetes.clone();
    let groups = look.groups.clone().unwrap_or_default();
    let mode = mode(&kubernetes, &groups).await?.map_err(Stop::Obstacle)?;
    let pools = kubernetes.list(&Kind::IpPool.path(mode.group), "").await?;
    let pools = pools.into_iter().map(Live::new);
    view.pools = Some(pools.map(|live| pool(&live)).collect());
    let mut report = Report::default();
    let mut survey = work.survey(look, &mut report).await?;
    let named = survey.named.take();
    let observed = work.observe(&kubernetes, mode, named, &mut report).await?;
    view.release = report.version.take();
    view.node = Some(observed.node.name().to_owned());
    let written: BTreeSet<&str> = observed.peers.iter().map(Live::name).collect();
    for session in &mut view.sessions {
        session.written = Some(written.contains(session.object.as_str()));
    }
    let mut health = Report::default();
    health.node.clone_from(&view.node);
    work.health(&survey, &mut health).await?;
    view.health = Some(health.final_status().to_string());
    Ok(())
}

pub(super) fn pool(live: &Live) -> Pool {
    let text = |field| match live.spec_text(field) {
        "" => "Never".to_owned(),
        text => text.to_owned(),
    };
    let is = |field| live.spec(field) == Some(&true.into());
    Pool {
        name: live.name().to_owned(),
        cidr: live.spec_text("cidr").to_owned(),
        ipip: text("ipipMode"),
        vxlan: text("vxlanMode"),
        nat_outgoing: is("natOutgoing"),
        disabled: is("disabled"),
    }
}

fn lines(view: &View) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = |name: &str, value: &dyn Display| {
        lines.push(printable_line(&format!("{name:<12}{value}")));
    };
    let on = view
        .principal
        .iter()
        .map(|principal| format!(" on {principal}"));
    let on: String = on.collect();
    let leader = if view.leader { ", leader" } else { "" };
    line("unit", &format!("{}{on}{leader}", view.unit));
    line("addresses", &view.addresses.join(", "));
    line("node", &view.node.as_deref().unwrap_or("not known"));
    line("AS number", &given(&view.as_number));
    if let Some(cluster_id) = &view.cluster_id {
        line("cluster ID", &given(cluster_id));
    }
    let mesh = if view.node_to_node_mesh { "on" } else { "off" };
    line("mesh", &format!("{mesh} (node-to-node-mesh)"));
    line("Calico", &view.release.as_deref().unwrap_or("not known"));
    line("health", &view.health.as_deref().unwrap_or("not known"));
    for session in &view.sessions {
        line("session", &session_text(session));
    }
    for place in &view.skipped {
        line("skipped", &format!("an address of its own ({place})"));
    }
    for pool in view.pools.iter().flatten() {
        line("pool", &pool_text(pool));
    }
    lines
}

fn given(given: &Given<impl Display>) -> String {
    format!("{} ({})", given.value, given.because)
}

fn session_text(session: &Session) -> String {
    let absent = match session.written {
        Some(false) => ", not written yet",
        _ => "",
    };
    format!(
        "{} AS {} ({}){absent}",
        session.address, session.as_number, session.because
    )
}

pub(super) fn pool_text(pool: &Pool) -> String {
    let encapsulation = match (pool.ipip.as_str(), pool.vxlan.as_str()) {
        ("Never", "Never") => "no encapsulation".to_owned(),
        ("Never", vxlan) => format!("VXLAN {vxlan}"),
        (ipip, _) => format!("IPIP {ipip}"),
    };
    let nat = if pool.nat_outgoing { ", NAT" } else { "" };
    let disabled = if pool.disabled { ", disabled" } else { "" };
    format!(
        "{} {}, {encapsulation}{nat}{disabled}",
        pool.name, pool.cidr
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        View {
            application: "calico".into(),
            unit: "calico/0".into(),
            principal: Some("kubernetes-worker/3".into()),
            leader: true,
            addresses: vec!["10.0.0.5/24".into(), "fd00::5/64".into()],
            node: Some("node-0".into()),
            as_number: Given {
                value: 64512,
                because: "subnet-as-numbers: 10.0.0.0/24".into(),
            },
            cluster_id: Some(Given {
                value: "1.0.0.1".into(),
                because: "route-reflector-cluster-ids: 0".into(),
            }),
            node_to_node_mesh: false,
            sessions: vec![Session {
                address: "10.0.0.1".into(),
                as_number: 64500,
                because: "global-bgp-peers: [0]".into(),
                object: "calico-0-10.0.0.1".into(),
                written: Some(false),
            }],
            skipped: vec!["unit-bgp-peers: 0[0]".into()],
            pools: Some(vec![pool(&Live::new(json!({
                "metadata": {"name": "ipv4"},
                "spec": {"cidr": "192.168.0.0/16", "vxlanMode": "CrossSubnet", "natOutgoing": true},
            })))]),
            release: Some("v3.32.1".into()),
            health: Some("active: Ready".into()),
        }
    }

    #[test]
    fn the_text_says_everything_and_why() {
        assert_eq!(
            lines(&view()).join("\n"),
            "unit        calico/0 on kubernetes-worker/3, leader\n\
             addresses   10.0.0.5/24, fd00::5/64\n\
             node        node-0\n\
             AS number   64512 (subnet-as-numbers: 10.0.0.0/24)\n\
             cluster ID  1.0.0.1 (route-reflector-cluster-ids: 0)\n\
             mesh        off (node-to-node-mesh)\n\
             Calico      v3.32.1\n\
             health      active: Ready\n\
             session     10.0.0.1 AS 64500 (global-bgp-peers: [0]), not written yet\n\
             skipped     an address of its own (unit-bgp-peers: 0[0])\n\
             pool        ipv4 192.168.0.0/16, VXLAN CrossSubnet, NAT"
        );
    }

    #[test]
    fn what_is_not_known_is_said_to_be() {
        let unknown = View {
            node: None,
            cluster_id: None,
            pools: None,
            release: None,
            health: None,
            ..view()
        };
        let text = lines(&unknown).join("\n");
        assert_eq!(text.matches("not known").count(), 3, "{text}");
        let json = json!(unknown);
        assert_eq!(json["pools"], json!(null));
        assert_eq!(json["as_number"]["value"], 64512);
        assert_eq!(json["sessions"][0]["object"], "calico-0-10.0.0.1");
    }
}
