//! The form of a scenario: a fabric, what is in the cluster already, and what happens.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// A scenario.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// How Calico's kinds are served.
    #[serde(default)]
    pub mode: Served,
    /// What of Calico is there before the first hook.
    #[serde(default)]
    pub calico: Calico,
    /// Whether the charm's record of what it installed is there too.
    #[serde(default = "yes")]
    pub recorded: bool,
    /// Whether the outcome shows what is installed.
    #[serde(default)]
    pub show: Show,
    /// Whether the API server bounds numbers of format int32, as Kubernetes 1.36 does.
    #[serde(default = "yes")]
    pub int32: bool,
    /// Options as `juju config` holds them: text, numbers, booleans; the others have their defaults.
    #[serde(default)]
    pub options: BTreeMap<String, Value>,
    /// The units.
    pub units: BTreeMap<String, Unit>,
    /// What other writers have put into the cluster.
    #[serde(default)]
    pub observed: Vec<Observed>,
    /// `calico/0 config-changed`; without it config-changed on every unit, the leader first.
    pub hooks: Option<Vec<String>>,
    /// What happens afterwards.
    #[serde(default)]
    pub then: Vec<Step>,
    /// Whether update-status writes nothing at the end.
    #[serde(default = "yes")]
    pub converges: bool,
}

/// How Calico's kinds are served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Served {
    /// Not at all.
    NoCrds,
    /// Definitions in `crd.projectcalico.org/v1`.
    #[default]
    CrdV1,
    /// These behind Calico's own API server.
    Aggregated,
    /// Definitions in `projectcalico.org/v3`.
    NativeV3,
}

/// What of Calico is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Calico {
    /// What this charm installs for the scenario's options, everything ready.
    #[default]
    Installed,
    /// Nothing; Calico's kinds are those that [`Served`] says.
    Absent,
    /// Calico on the Kubernetes datastore as somebody else installed it.
    Foreign,
    /// An Installation of the tigera operator.
    Operator,
}

/// What of the cluster the outcome shows beside Calico's own objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Show {
    /// Nothing.
    #[default]
    Objects,
    /// Names, images and environment of what is installed.
    Manifests,
}

/// A unit and its machine.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Unit {
    /// Its Node, which holds its addresses; none where the Node does not exist or `observed` has it.
    pub node: Option<String>,
    /// The machine's host name, the Node's name unless given.
    pub hostname: Option<String>,
    /// The machine's fully qualified name.
    pub fqdn: Option<String>,
    /// Addresses of the `cni` binding with their prefix lengths.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// The answer of `network-get` word for word, in place of the one made from `addresses`.
    pub network_get: Option<Value>,
    /// Whether it leads its application.
    #[serde(default)]
    pub leader: bool,
    /// The principal, `kubernetes-worker/<number>` unless given.
    pub principal: Option<String>,
    /// What the principal says on the `cni` relation.
    #[serde(default)]
    pub principal_data: BTreeMap<String, String>,
    /// `net.ipv4.conf.all.rp_filter`.
    pub rp_filter: Option<u8>,
    /// VXLAN interfaces of the machine, with transmit checksumming on.
    #[serde(default)]
    pub interfaces: Vec<String>,
}

/// An object and who wrote it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observed {
    /// The field manager.
    pub manager: String,
    /// The object.
    pub object: Value,
}

/// An edit of an object by another writer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The field manager.
    pub manager: String,
    /// Kind of the object.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// A merge patch.
    pub merge: Value,
}

/// An object that somebody takes away.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gone {
    /// Kind of the object.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// Something that happens, and the hooks after it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Step {
    /// What happens, in words.
    pub what: String,
    /// Options that change; null resets one.
    pub options: Map<String, Value>,
    /// Objects that other writers make or replace.
    pub observed: Vec<Observed>,
    /// Objects that other writers edit.
    pub edit: Vec<Edit>,
    /// Objects that other writers delete.
    pub delete: Vec<Gone>,
    /// Calico's kinds are served from now on.
    pub serves: Option<Served>,
    /// Whether Calico's own API server answers from now on.
    pub aggregated_available: Option<bool>,
    /// The migration to native v3 definitions starts.
    pub migration: bool,
    /// Why the pods of a Node, or a Deployment, are not ready from now on; null when they are again, `lagging` when they
    /// keep an old template.
    pub trouble: BTreeMap<String, Option<String>>,
    /// The unit that leads from now on.
    pub leader: Option<String>,
    /// Units that go as Juju lets them go: cni-relation-broken and remove on each, fabric-relation-departed on the rest.
    pub departs: Vec<String>,
    /// Units that vanish without a hook.
    pub vanishes: Vec<String>,
    /// Units that come.
    pub joins: BTreeMap<String, Unit>,
    /// As in [`Scenario::hooks`]; without it config-changed on every unit when options change, else update-status.
    pub hooks: Option<Vec<String>>,
}

fn yes() -> bool {
    true
}

impl Scenario {
    /// Reads a scenario.
    pub fn parse(text: &str) -> Self {
        serde_yaml::from_str(text).unwrap_or_else(|error| panic!("scenario: {error}"))
    }
}
