//! One IPPool a family of `cidr`.

use serde::Serialize;

use super::{Desired, Kind, Owner};
use crate::model::{Encapsulation, PoolIntent};

/// The fields of `IPPool` that options name (`projectcalico/v3/ippool.go`).
///
/// `blockSize` and `nodeSelector` are written although no option names them: the CRDs leave them empty, and a size
/// that somebody adds later would corrupt IPAM unhindered (the CRD's immutability rule starts with a value).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IpPoolSpec {
    cidr: String,
    ipip_mode: &'static str,
    vxlan_mode: &'static str,
    nat_outgoing: bool,
    block_size: u8,
    node_selector: &'static str,
    disabled: bool,
}

/// The pool called `name` as the options ask for it; an adopted pool keeps its `block_size`.
#[must_use]
pub fn ip_pool(intent: &PoolIntent, name: &str, block_size: u8, owner: &Owner) -> Desired {
    let encapsulation = intent.encapsulation();
    let spec = IpPoolSpec {
        cidr: intent.cidr().to_string(),
        ipip_mode: encapsulation.ipip_mode(),
        vxlan_mode: encapsulation.vxlan_mode(),
        nat_outgoing: intent.nat_outgoing(),
        block_size,
        node_selector: "all()",
        disabled: false,
    };
    let encapsulation_option = match encapsulation {
        Encapsulation::Vxlan(_) => "vxlan",
        Encapsulation::Ipip(_) => "ipip",
        Encapsulation::None => "ipip, vxlan",
    };
    Desired::new(Kind::IpPool, name.to_owned(), owner.labels(), &spec)
        .because("cidr", "cidr")
        .because("ipipMode", encapsulation_option)
        .because("vxlanMode", encapsulation_option)
        .because("natOutgoing", "nat-outgoing")
        .because("disabled", "cidr")
        // Not written here: a pool that retired was for tunnels alone, and is for everything when it is wanted again.
        .because("allowedUses", "cidr")
        .because("nodeSelector", "manage-pools")
        .because("blockSize", "manage-pools")
}
