//! The schemas of Calico's kinds the server starts with, as of release 3.32.
//!
//! Field names, types, enums, defaults and list types are those of the release; the texts of the rules are ours. A test
//! that needs the genuine definitions installs them ([`super::ApiServer::install_definitions`]).

use serde_json::{Map, Value, json};

/// `openAPIV3Schema` of a Calico kind; the kinds the charm does not write keep whatever they are given.
pub(super) fn open_api(kind: &str, has_status: bool) -> Value {
    let spec = match kind {
        "BGPConfiguration" => Some(bgp_configuration()),
        "BGPPeer" => Some(bgp_peer()),
        "IPPool" => Some(ip_pool()),
        "ClusterInformation" => Some(cluster_information()),
        _ => None,
    };
    let has_status = has_status || spec.is_none();
    let mut properties = json!({
        "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"},
        "spec": spec.unwrap_or_else(kept_whole),
    });
    if has_status {
        properties["status"] = kept_whole();
    }
    json!({"type": "object", "properties": properties})
}

fn kept_whole() -> Value {
    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

fn bgp_configuration() -> Value {
    let blocks = || {
        list(
            "atomic",
            &json!({"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"cidr": cidr()}}),
        )
    };
    record(
        &[],
        [
            ("asNumber", int32()),
            ("bindMode", words(&["None", "NodeIP"])),
            (
                "communities",
                list(
                    "atomic",
                    &json!({
                        "type": "object", "x-kubernetes-map-type": "atomic", "properties": {"name": text(), "value": text()},
                    }),
                ),
            ),
            ("ignoredInterfaces", list("set", &text())),
            ("ipv4NormalRoutePriority", integer(1, 2_147_483_646)),
            ("ipv6NormalRoutePriority", integer(1, 2_147_483_646)),
            ("listenPort", integer(1, 65_535)),
            ("localWorkloadPeeringIPV4", text()),
            ("localWorkloadPeeringIPV6", text()),
            (
                "logSeverityScreen",
                json!({"type": "string", "default": "Info"}),
            ),
            ("nodeMeshMaxRestartTime", text()),
            ("nodeMeshPassword", password()),
            ("nodeToNodeMeshEnabled", boolean()),
            (
                "prefixAdvertisements",
                list(
                    "atomic",
                    &json!({
                        "type": "object", "x-kubernetes-map-type": "atomic",
                        "properties": {"cidr": cidr(), "communities": list("atomic", &text())},
                    }),
                ),
            ),
            ("programClusterRoutes", words(&["Enabled", "Disabled"])),
            ("serviceClusterIPs", blocks()),
            ("serviceExternalIPs", blocks()),
            (
                "serviceLoadBalancerAggregation",
                with(words(&["Enabled", "Disabled"]), "default", "Enabled".into()),
            ),
            ("serviceLoadBalancerIPs", blocks()),
        ],
        &[
            (
                "!has(self.nodeMeshPassword) || !has(self.nodeToNodeMeshEnabled) || self.nodeToNodeMeshEnabled",
                "a mesh that is off takes no nodeMeshPassword",
            ),
            (
                "!has(self.nodeMeshMaxRestartTime) || !has(self.nodeToNodeMeshEnabled) || self.nodeToNodeMeshEnabled",
                "a mesh that is off takes no nodeMeshMaxRestartTime",
            ),
        ],
    )
}

fn bgp_peer() -> Value {
    record(
        &[],
        [
            ("asNumber", int32()),
            ("filters", list("atomic", &text())),
            ("keepOriginalNextHop", boolean()),
            ("keepaliveTime", text()),
            ("localASNumber", int32()),
            ("localWorkloadSelector", at_most(4096)),
            ("maxRestartTime", text()),
            ("nextHopMode", words(&["Auto", "Self", "Keep"])),
            ("node", at_most(253)),
            ("nodeSelector", at_most(4096)),
            ("numAllowedLocalASNumbers", int32()),
            ("password", password()),
            ("peerIP", at_most(64)),
            ("peerSelector", at_most(4096)),
            ("reachableBy", text()),
            ("reversePeering", words(&["Auto", "Manual"])),
            ("sourceAddress", words(&["UseNodeIP", "None"])),
            ("ttlSecurity", json!({"type": "integer"})),
        ],
        &[
            (
                "!has(self.node) || self.node == '' || !has(self.nodeSelector) || self.nodeSelector == ''",
                "either node or nodeSelector, not both",
            ),
            (
                "!has(self.peerIP) || self.peerIP == '' || !has(self.peerSelector) || self.peerSelector == ''",
                "either peerIP or peerSelector, not both",
            ),
            (
                "!has(self.peerSelector) || self.peerSelector == '' || !has(self.asNumber) || self.asNumber == 0",
                "a peerSelector takes no asNumber",
            ),
            (
                "!has(self.localWorkloadSelector) || self.localWorkloadSelector == '' || \
                 ((!has(self.peerIP) || self.peerIP == '') && (!has(self.peerSelector) || self.peerSelector == ''))",
                "a localWorkloadSelector takes neither peerIP nor peerSelector",
            ),
            (
                "!has(self.localWorkloadSelector) || self.localWorkloadSelector == '' || \
                 (has(self.asNumber) && self.asNumber != 0)",
                "a localWorkloadSelector takes an asNumber",
            ),
        ],
    )
}

fn ip_pool() -> Value {
    let modes = || words(&["Never", "Always", "CrossSubnet"]);
    let kept = |schema: Value, message: &str| {
        with(
            schema,
            "x-kubernetes-validations",
            json!([
                {"rule": "self == oldSelf", "message": message, "reason": "FieldValueInvalid"},
            ]),
        )
    };
    let uses = with(
        list("set", &words(&["Workload", "Tunnel", "LoadBalancer"])),
        "maxItems",
        10.into(),
    );
    record(
        &["cidr"],
        [
            ("allowedUses", uses),
            (
                "assignmentMode",
                with(
                    words(&["Automatic", "Manual"]),
                    "default",
                    "Automatic".into(),
                ),
            ),
            (
                "blockSize",
                kept(
                    integer(0, 128),
                    "the block size of a pool cannot be changed",
                ),
            ),
            (
                "cidr",
                kept(
                    with(cidr(), "maxLength", 48.into()),
                    "the CIDR of a pool cannot be changed",
                ),
            ),
            ("disableBGPExport", boolean()),
            ("disabled", boolean()),
            ("ipipMode", modes()),
            ("namespaceSelector", text()),
            ("natOutgoing", boolean()),
            ("nodeSelector", text()),
            ("vxlanMode", modes()),
        ],
        &[
            (
                "!has(self.ipipMode) || !has(self.vxlanMode) || self.ipipMode == 'Never' || self.vxlanMode == 'Never'",
                "either ipipMode or vxlanMode, not both",
            ),
            (
                "!has(self.ipipMode) || self.ipipMode == 'Never' || !self.cidr.contains(':')",
                "an IPv6 pool takes no ipipMode",
            ),
            (
                "!has(self.allowedUses) || !self.allowedUses.exists(use, use == 'LoadBalancer') || \
                 ((!has(self.ipipMode) || self.ipipMode == 'Never') && (!has(self.vxlanMode) || self.vxlanMode == 'Never'))",
                "a pool for load balancers takes no encapsulation",
            ),
            (
                "!has(self.allowedUses) || !self.allowedUses.exists(use, use == 'LoadBalancer') || \
                 !self.allowedUses.exists(use, use == 'Workload' || use == 'Tunnel')",
                "a pool for load balancers takes no other use",
            ),
        ],
    )
}

fn cluster_information() -> Value {
    record(
        &[],
        [
            ("calicoVersion", text()),
            ("clusterGUID", text()),
            ("clusterType", text()),
            ("datastoreReady", boolean()),
            ("variant", text()),
        ],
        &[],
    )
}

/// An object of these fields; each rule forbids what breaks it.
fn record<const N: usize>(
    required: &[&str],
    fields: [(&str, Value); N],
    rules: &[(&str, &str)],
) -> Value {
    let properties: Map<String, Value> = fields
        .into_iter()
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect();
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema = with(schema, "required", json!(required));
    }
    if !rules.is_empty() {
        let rules: Vec<Value> = rules
            .iter()
            .map(|(rule, message)| json!({"rule": rule, "message": message, "reason": "FieldValueForbidden"}))
            .collect();
        schema = with(schema, "x-kubernetes-validations", rules.into());
    }
    schema
}

fn with(mut schema: Value, key: &str, value: Value) -> Value {
    if let Some(entries) = schema.as_object_mut() {
        entries.insert(key.to_owned(), value);
    }
    schema
}

fn text() -> Value {
    json!({"type": "string"})
}

fn boolean() -> Value {
    json!({"type": "boolean"})
}

fn int32() -> Value {
    json!({"type": "integer", "format": "int32"})
}

fn cidr() -> Value {
    json!({"type": "string", "format": "cidr"})
}

fn at_most(length: u32) -> Value {
    json!({"type": "string", "maxLength": length})
}

fn integer(minimum: i64, maximum: i64) -> Value {
    json!({"type": "integer", "minimum": minimum, "maximum": maximum})
}

fn words(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

fn list(kind: &str, items: &Value) -> Value {
    json!({"type": "array", "x-kubernetes-list-type": kind, "items": items})
}

/// A reference to a Secret's key, replaced as a whole.
fn password() -> Value {
    json!({
        "type": "object",
        "properties": {"secretKeyRef": {
            "type": "object", "required": ["key"], "x-kubernetes-map-type": "atomic",
            "properties": {"key": text(), "name": {"type": "string", "default": ""}, "optional": boolean()},
        }},
    })
}
