//! Other writers: calico-node, and an operator with kubectl.

use fastrand::Rng;
use serde_json::{Value, json};

use super::cluster::{self, CALICO_NODE};
use super::play::Play;
use super::world::Broken;

/// Who edits by hand.
const KUBECTL: &str = "kubectl-edit";
/// A label nobody but the operator knows.
const FOREIGN_LABEL: &str = "example.com/rack";
/// Where BGPPeers that are not the charm's point to; nobody else's do.
const FOREIGN_ADDRESS: &str = "192.0.2.7";

impl Play<'_> {
    /// Lets somebody else write something; `false` when there was nothing to write to.
    pub(super) fn other_writes(&mut self, rng: &mut Rng) -> Result<bool, Broken> {
        match rng.u8(..8) {
            6 | 7 => self.some_report(rng),
            0 | 1 => self.calico_node_writes(rng),
            2 => self.kubectl_edits_field(rng),
            3 => self.kubectl_edits_label(rng),
            4 => Ok(self.foreign_peer(rng)),
            _ => {
                cluster::restart_workloads(&self.world.server).map_err(Broken::from)?;
                self.say("the workloads are restarted");
                self.look_at_other(CALICO_NODE);
                Ok(true)
            }
        }
    }

    /// calico-node writes its Node as a whole: the annotations it looks after, and a condition of the status.
    fn calico_node_writes(&mut self, rng: &mut Rng) -> Result<bool, Broken> {
        let Some((name, node)) = self.some("Node", rng) else {
            return Ok(false);
        };
        let at = self.world.now().as_millis().to_string();
        let mut node = node;
        node["status"]["conditions"] = cluster::network_is_up(&at);
        self.world
            .server
            .insert(CALICO_NODE, node)
            .map_err(Broken::from)?;
        self.coverage.count("calico-node writes its Node");
        self.say(format!("calico-node writes nodes/{name}"));
        self.look_at_other(CALICO_NODE);
        Ok(true)
    }

    fn some(&self, kind: &str, rng: &mut Rng) -> Option<(String, Value)> {
        let objects = self.world.server.objects(kind);
        let object = rng.choice(objects)?;
        let name = object["metadata"]["name"].as_str()?.to_owned();
        Some((name, object))
    }

    /// A field that the options decide is changed by hand; none that routes depend on, for the operator would cut them.
    fn kubectl_edits_field(&mut self, rng: &mut Rng) -> Result<bool, Broken> {
        let Some((name, pool)) = self.some("IPPool", rng) else {
            return Ok(false);
        };
        let nat = pool["spec"]["natOutgoing"] != json!(true);
        self.edit(
            "IPPool",
            &name,
            &json!({"spec": {"natOutgoing": nat}}),
            "kubectl edits a field",
        )
    }

    /// A label comes or goes: one that nobody knows, or the one by which a unit finds its peers.
    fn kubectl_edits_label(&mut self, rng: &mut Rng) -> Result<bool, Broken> {
        let own = rng.bool();
        let kind = if own { "BGPPeer" } else { "Node" };
        let Some((name, object)) = self.some(kind, rng) else {
            return Ok(false);
        };
        let labels = object["metadata"]["labels"].as_object();
        let label = match (own, labels.and_then(|labels| labels.keys().next())) {
            (true, Some(label)) => json!({label: null}),
            (true, None) => return Ok(false),
            (false, _) => json!({FOREIGN_LABEL: "r1"}),
        };
        let patch = json!({"metadata": {"labels": label}});
        self.edit(kind, &name, &patch, "kubectl edits a label")
    }

    fn edit(
        &mut self,
        kind: &str,
        name: &str,
        patch: &Value,
        what: &'static str,
    ) -> Result<bool, Broken> {
        self.world
            .server
            .merge(KUBECTL, kind, name, patch)
            .map_err(Broken::from)?;
        self.coverage.count(what);
        self.say(format!("kubectl edits {kind} {name}: {patch}"));
        self.look_at_other(KUBECTL);
        Ok(true)
    }

    /// A BGPPeer that is none of the charm's comes, or the one there is goes. Its name may be one that the charm would give.
    fn foreign_peer(&mut self, rng: &mut Rng) -> bool {
        if self.remove_foreign_peers() {
            self.coverage.count("foreign BGPPeer removed");
            return true;
        }
        let Some((node, _)) = self.some("Node", rng) else {
            return false;
        };
        let name = if rng.bool() {
            // Of a unit that is there, or of none.
            let unit = rng.u8(..8);
            format!("{}-{unit}-{FOREIGN_ADDRESS}", self.world.application)
        } else {
            format!("by-hand-{node}")
        };
        let peer = json!({
            "apiVersion": "crd.projectcalico.org/v1", "kind": "BGPPeer", "metadata": {"name": name},
            "spec": {"node": node, "peerIP": FOREIGN_ADDRESS, "asNumber": 65_007},
        });
        if self.world.server.insert(KUBECTL, peer).is_err() {
            // The definitions are not there yet.
            return false;
        }
        self.coverage.count("foreign BGPPeer made");
        self.say(format!("kubectl makes bgppeers/{name}"));
        self.look_at_other(KUBECTL);
        true
    }

    fn remove_foreign_peers(&mut self) -> bool {
        let mut removed = false;
        for peer in self.world.server.objects("BGPPeer") {
            let name = peer["metadata"]["name"].as_str().unwrap_or_default();
            if peer["spec"]["peerIP"] == FOREIGN_ADDRESS {
                self.world.server.remove("BGPPeer", name);
                self.say(format!("kubectl deletes bgppeers/{name}"));
                removed = true;
            }
        }
        self.look_at_other(KUBECTL);
        removed
    }

    /// Somebody deletes an object just before a unit does.
    pub(super) fn delete_first(&mut self, path: &str) -> bool {
        let mut words = path.rsplit('/');
        let (Some(name), Some(plural)) = (words.next(), words.next()) else {
            return false;
        };
        let removed = self.world.server.remove(plural, name).is_some();
        if removed {
            self.coverage.count("kubectl deletes an object first");
            self.say(format!("kubectl deletes {plural}/{name}"));
            self.look_at_other(KUBECTL);
        }
        removed
    }

    /// The operator takes back what was made by hand and is nobody else's to take back.
    pub(super) fn tidy_up(&mut self) -> Result<(), Broken> {
        self.remove_foreign_peers();
        for node in self.world.server.objects("Node") {
            if node["metadata"]["labels"].get(FOREIGN_LABEL).is_some() {
                let name = node["metadata"]["name"].as_str().unwrap_or_default();
                let patch = json!({"metadata": {"labels": {FOREIGN_LABEL: null}}});
                self.world
                    .server
                    .merge(KUBECTL, "Node", name, &patch)
                    .map_err(Broken::from)?;
            }
        }
        self.world.remove_nodes_of_the_gone();
        self.look_at_other(KUBECTL);
        Ok(())
    }
}
