//! BGPPeers (`projectcalico/v3/bgppeer.go`) as confd reads them (`confd/pkg/backends/calico/client.go`).

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Number, Reading, is_set, number, object};
use crate::fabric::topology::{NextHop, Origin, Peering, PeeringExtra, Scope, Target};
use crate::model::{AsNumber, PeerAddress, Place, UnitName};
use crate::plan::Live;
use crate::render::{BgpPeerName, LABEL_UNIT};

/// Fields that are read below, and those that change neither whether a session comes up nor which routes it carries.
const KNOWN: [&str; 15] = [
    "node",
    "nodeSelector",
    "peerIP",
    "peerSelector",
    "asNumber",
    "localASNumber",
    "keepOriginalNextHop",
    "nextHopMode",
    "password",
    "maxRestartTime",
    "keepaliveTime",
    "numAllowedLocalASNumbers",
    "ttlSecurity",
    "reachableBy",
    "reversePeering",
];

/// One BGPPeer; `None` where it makes no session that the model could hold.
pub(super) fn peering(
    live: &Live,
    places: &BTreeMap<String, Place>,
    reading: &mut Reading,
) -> Option<Peering> {
    let origin = origin(live, places, reading);
    if !live.spec_text("localWorkloadSelector").is_empty() {
        reading.unmodelled(&origin, "localWorkloadSelector: sessions with workloads");
        return None;
    }
    let scope = scope(live, &origin, reading)?;
    let (target, as_number) = target(live, &origin, reading)?;
    let extra = extra(live, &origin, reading)?;
    reading.unknown_fields(&origin, &live.value()["spec"], &{
        let mut known = KNOWN.to_vec();
        known.push("filters");
        if live.spec_text("sourceAddress") != "None" {
            known.push("sourceAddress");
        }
        known
    });
    Some(Peering {
        origin,
        scope,
        target,
        as_number,
        extra: (extra != PeeringExtra::default()).then(|| Box::new(extra)),
    })
}

/// The option's place where it is known; the unit where the charm made it; else the object.
fn origin(live: &Live, places: &BTreeMap<String, Place>, reading: &Reading) -> Origin {
    if let Some(place) = places.get(live.name()) {
        return Origin::Option(place.clone());
    }
    let unit = match live.owner() {
        Some(_) => labelled(live),
        None => unlabelled(live, reading),
    };
    unit.map_or_else(|| object("BGPPeer", live), Origin::Unit)
}

fn labelled(live: &Live) -> Option<UnitName> {
    let labels = live.labels();
    let (application, number) = labels.get(LABEL_UNIT)?.rsplit_once('-')?;
    format!("{application}/{number}").parse().ok()
}

/// Labels can be taken off by hand. What the charm applied, for a Node of its application and by a name of its own, is the
/// charm's all the same: it deletes such a peer when no option asks for it ([`crate::plan::is_peer_of`]).
fn unlabelled(live: &Live, reading: &Reading) -> Option<UnitName> {
    let unit = reading.units.get(live.spec_text("node"))?;
    let name = BgpPeerName::parse(live.name(), unit.application())?;
    let number = name.unit_number();
    let unit = format!("{}/{number}", unit.application()).parse().ok();
    unit.filter(|_| live.is_applied_by_charm())
}

/// A peer of a Node that does not exist makes no session.
fn scope(live: &Live, origin: &Origin, reading: &mut Reading) -> Option<Scope> {
    let (node, selector) = (live.spec_text("node"), live.spec_text("nodeSelector"));
    if !node.is_empty() {
        return reading.places.get(node).copied().map(Scope::Node);
    }
    if selector.is_empty() {
        return Some(Scope::Global);
    }
    reading
        .chosen(origin, "nodeSelector", selector)
        .map(Scope::Selected)
}

fn target(
    live: &Live,
    origin: &Origin,
    reading: &mut Reading,
) -> Option<(Target, Option<AsNumber>)> {
    let (address, selector) = (live.spec_text("peerIP"), live.spec_text("peerSelector"));
    if address.is_empty() {
        // Without either there is nobody to peer with.
        let chosen = Some(selector).filter(|selector| !selector.is_empty())?;
        let chosen = reading.chosen(origin, "peerSelector", chosen)?;
        return Some((Target::Nodes(chosen), None));
    }
    let Ok(address) = address.parse::<PeerAddress>() else {
        reading.unmodelled(
            origin,
            format!("peerIP {address}, with which Calico makes no session"),
        );
        return None;
    };
    match number(live.spec("asNumber")) {
        Number::Some(number) => Some((Target::Address(address), Some(number))),
        Number::None => {
            let feature = "no asNumber: BIRD refuses its whole configuration at its next start";
            reading.unmodelled(origin, feature);
            None
        }
        Number::Odd(text) => {
            reading.unmodelled(
                origin,
                format!("asNumber {text}, which is none to peer with"),
            );
            None
        }
    }
}

fn extra(live: &Live, origin: &Origin, reading: &mut Reading) -> Option<PeeringExtra> {
    let local_as_number = match number(live.spec("localASNumber")) {
        Number::None => None,
        Number::Some(number) => Some(number),
        Number::Odd(text) => {
            reading.unmodelled(origin, format!("localASNumber {text}"));
            return None;
        }
    };
    let keep = live.spec("keepOriginalNextHop").is_some_and(is_set);
    let (next_hop, keep_is_legacy) = match live.spec_text("nextHopMode") {
        "Self" => (NextHop::Own, false),
        "Keep" => (NextHop::Keep, false),
        _ if keep => (NextHop::Keep, true),
        _ => (NextHop::Auto, false),
    };
    let filters = live.spec("filters").and_then(Value::as_array);
    Some(PeeringExtra {
        local_as_number,
        next_hop,
        keep_is_legacy,
        reverse: live.spec_text("reversePeering") != "Manual",
        password: password(live),
        ttl_security: small(live, "ttlSecurity"),
        allowed_local_as: small(live, "numAllowedLocalASNumbers"),
        filters: filters
            .into_iter()
            .flatten()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect(),
        reachable_by: live.spec_text("reachableBy").parse().ok(),
    })
}

/// Where the password is, never the password.
fn password(live: &Live) -> Option<String> {
    let reference = live.spec("password")?.get("secretKeyRef")?;
    let text = |key: &str| reference.get(key).and_then(Value::as_str);
    Some(format!("{}/{}", text("name")?, text("key")?))
}

fn small(live: &Live, field: &str) -> u8 {
    let number = live.spec(field).and_then(Value::as_u64).unwrap_or_default();
    u8::try_from(number).unwrap_or(u8::MAX)
}
