//! Nodes by their annotations (`libcalico-go/lib/backend/k8s/resources/node.go`).

use std::collections::BTreeMap;

use serde_json::Value;

use super::object;
use crate::fabric::topology::{Address, Gateway, Node, Told};
use crate::model::{Family, UnitAddress};
use crate::plan::Live;
use crate::render::{
    ANNOTATION_ADDRESSES, ANNOTATION_AS_NUMBER, ANNOTATION_CLUSTER_ID, ANNOTATION_IPV4,
    ANNOTATION_IPV6, ANNOTATION_LABELS, ANNOTATION_UNIT, LABEL_ZONE,
};

/// One Node. What does not parse is ignored, as libcalico does with an annotation that fails its validation.
pub(super) fn node(live: &Live) -> Node {
    let origin = || object("Node", live);
    let number = live.annotation(ANNOTATION_AS_NUMBER);
    let cluster_id = live.annotation(ANNOTATION_CLUSTER_ID);
    Node {
        name: live.name().to_owned(),
        unit: live
            .annotation(ANNOTATION_UNIT)
            .and_then(|unit| unit.parse().ok()),
        v4: address(live, Family::V4),
        v6: address(live, Family::V6),
        as_number: number.and_then(|text| text.parse().ok()).map(|value| Told {
            value,
            origin: origin(),
        }),
        cluster_id: cluster_id
            .and_then(|text| text.parse().ok())
            .map(|value| Told {
                value,
                origin: origin(),
            }),
        zone: live.label(LABEL_ZONE).map(str::to_owned),
        gateway: Gateway::Unknown,
    }
}

/// The address that calico-node has annotated, else the first one that the charm's unit has, else an InternalIP, whose
/// subnet is not known.
fn address(live: &Live, family: Family) -> Option<Address> {
    let annotation = match family {
        Family::V4 => ANNOTATION_IPV4,
        Family::V6 => ANNOTATION_IPV6,
    };
    let of_family = |address: &Address| Family::of(address.ip) == family;
    let annotated = live.annotation(annotation).and_then(parsed);
    let of_unit = || {
        let list = live.annotation(ANNOTATION_ADDRESSES)?;
        list.split(',').filter_map(parsed).find(of_family)
    };
    let internal = || {
        internal_ips(live.value())
            .filter_map(parsed)
            .find(of_family)
    };
    annotated
        .filter(of_family)
        .or_else(of_unit)
        .or_else(internal)
}

fn internal_ips(node: &Value) -> impl Iterator<Item = &str> {
    node["status"]["addresses"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|address| address["type"] == "InternalIP")
        .filter_map(|address| address["address"].as_str())
}

fn parsed(text: &str) -> Option<Address> {
    UnitAddress::read(text).map(|address| Address {
        ip: address.ip,
        subnet: address.subnet,
    })
}

/// The labels that selectors see: Kubernetes' over those that Calico keeps in an annotation.
pub(super) fn labels(live: &Live) -> BTreeMap<String, String> {
    let kept: Value = live
        .annotation(ANNOTATION_LABELS)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    [&kept, &live.value()["metadata"]["labels"]]
        .into_iter()
        .filter_map(Value::as_object)
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}
