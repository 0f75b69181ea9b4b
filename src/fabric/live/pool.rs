//! IPPools (`projectcalico/v3/ippool.go`).

use serde_json::Value;

use super::{Reading, network, object};
use crate::fabric::topology::{Origin, Pool};
use crate::model::{Encapsulation, TunnelMode};
use crate::plan::Live;

/// One IPPool; `None` for what no pod has addresses of.
pub(super) fn pool(live: &Live, reading: &mut Reading) -> Option<Pool> {
    let uses = live.spec("allowedUses").and_then(Value::as_array);
    let only_for_load_balancers =
        uses.is_some_and(|uses| uses.iter().any(|one| one == "LoadBalancer"));
    if only_for_load_balancers || live.is_deleting() {
        return None;
    }
    let origin = match live.owner() {
        Some(_) => Origin::option("cidr"),
        None => object("IPPool", live),
    };
    let Some(cidr) = network(live.spec_text("cidr")) else {
        reading.unmodelled(&origin, format!("cidr {}", live.spec_text("cidr")));
        return None;
    };
    let selector = live.spec_text("nodeSelector");
    let nodes = match selector {
        "" | "all()" => None,
        selector => Some(reading.chosen(&origin, "nodeSelector", selector)?),
    };
    let flag = |field| live.spec(field).and_then(Value::as_bool) == Some(true);
    let block_size = live
        .spec("blockSize")
        .and_then(Value::as_u64)
        .and_then(|size| u8::try_from(size).ok())
        .filter(|size| *size > 0);
    Some(Pool {
        origin,
        cidr,
        encapsulation: encapsulation(live),
        block_size: block_size.unwrap_or(cidr.family().default_block_size()),
        disabled: flag("disabled"),
        exported: !flag("disableBGPExport"),
        nodes,
    })
}

fn encapsulation(live: &Live) -> Encapsulation {
    let mode = |field| live.spec_text(field).parse::<TunnelMode>().ok();
    match (mode("vxlanMode"), mode("ipipMode")) {
        (Some(mode), _) => Encapsulation::Vxlan(mode),
        (None, Some(mode)) => Encapsulation::Ipip(mode),
        (None, None) => Encapsulation::None,
    }
}
