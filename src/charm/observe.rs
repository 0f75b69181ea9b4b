//! What a reconcile reads of the cluster, side by side wherever one answer does not depend on another. Performs IO.

use std::net::IpAddr;

use futures::{join, try_join};
use serde_json::Value;

use super::reconcile::{Stop, Work};
use super::{Report, Surroundings, reach, sweep};
use crate::cluster::mode::{cluster_information, cluster_information_path};
use crate::cluster::{
    ApiError, Kubernetes, Mode, escape, find_node, get_all, internal_ips, list_blocks, mode,
    node_path,
};
use crate::host::Host;
use crate::juju::HookTools;
use crate::model::{NodeName, PoolIntent, UnitName, UnrecognizedPools};
use crate::plan::{Live, needs_blocks};
use crate::render::{CALICO_CONFIG, Desired, Kind};
use crate::status::Status;

/// DaemonSet of Calico's agent, which tells the datastore.
const CALICO_NODE: &str = "/apis/apps/v1/namespaces/kube-system/daemonsets/calico-node";

/// What is read of the cluster before anything is known of the options.
pub struct FirstLook {
    /// The API.
    pub kubernetes: Kubernetes,
    /// Its groups.
    pub groups: Option<Value>,
    /// The Node called like the machine.
    pub named: Option<Value>,
    /// Calico's agent.
    pub daemon_set: Option<Live>,
    /// Whether the tigera operator looks after Calico.
    pub operator: bool,
}

/// Reads what every hook needs whatever the options are, while the hook tools are still running.
///
/// # Errors
/// When there is no API, or it cannot be asked.
pub async fn first_look<T: HookTools, H: Host>(
    surroundings: &Surroundings<'_, T, H>,
) -> Result<FirstLook, Stop> {
    let kubernetes = reach(surroundings.access).await?;
    let by_hostname = NodeName::of_host(&surroundings.host.hostname()).ok();
    let by_hostname = by_hostname.map(|name| node_path(name.as_str()));
    let named = async {
        match &by_hostname {
            Some(path) => kubernetes.get(path).await,
            None => Ok(None),
        }
    };
    let (groups, named, daemon_set) =
        try_join!(kubernetes.get("/apis"), named, kubernetes.get(CALICO_NODE),)?;
    let operator = has_operator(&kubernetes, groups.as_ref()).await?;
    Ok(FirstLook {
        kubernetes,
        groups,
        named,
        daemon_set: daemon_set.map(Live::new),
        operator,
    })
}

/// Calico's agent as it is now.
///
/// # Errors
/// When the API cannot be asked.
pub async fn agent(kubernetes: &Kubernetes) -> Result<Option<Live>, ApiError> {
    Ok(kubernetes.get(CALICO_NODE).await?.map(Live::new))
}

/// The operator works wherever there is an Installation of its (`operator/pkg/controller/installation`).
async fn has_operator(kubernetes: &Kubernetes, groups: Option<&Value>) -> Result<bool, ApiError> {
    const INSTALLATIONS: &str = "/apis/operator.tigera.io/v1/installations";
    let groups = groups.and_then(|groups| groups["groups"].as_array());
    let served = groups.is_some_and(|groups| {
        groups
            .iter()
            .any(|group| group["name"] == "operator.tigera.io")
    });
    if !served {
        return Ok(false);
    }
    match kubernetes.list_metadata(INSTALLATIONS, |_| Some(())).await {
        Ok(installations) => Ok(!installations.is_empty()),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// What the cluster holds of this unit and, for the leader, of the cluster.
pub struct Observed {
    /// This unit's Node.
    pub node: Live,
    /// BGPConfiguration `default`.
    pub configuration: Option<Live>,
    /// BGPPeers with this unit's label.
    pub peers: Vec<Live>,
    /// All pools, for a leader that looks after them.
    pub pools: Option<Vec<Live>>,
    /// The install manifests' settings, for the leader.
    pub calico_config: Option<Live>,
    /// Every BGPPeer of the application, for a leader that knows who belongs to it.
    pub all_peers: Option<Vec<Live>>,
    /// Names of the BGPPeers that are not the application's, for the same.
    pub other_peers: Vec<String>,
}

impl<T: HookTools, H: Host> Work<'_, T, H> {
    /// Where Calico's objects are.
    ///
    /// # Errors
    /// When the API cannot be asked, or something in the cluster is in the way.
    pub async fn api(&self) -> Result<(Kubernetes, Mode), Stop> {
        let look = first_look(self.surroundings).await?;
        let groups = look.groups.unwrap_or_default();
        let mode = mode(&look.kubernetes, &groups)
            .await?
            .map_err(Stop::Obstacle)?;
        Ok((look.kubernetes, mode))
    }

    /// Reads what is there, side by side.
    pub async fn observe(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
        by_hostname: Option<Value>,
        report: &mut Report,
    ) -> Result<Observed, Stop> {
        let machine = self.machine_addresses();
        let binding: Vec<IpAddr> = self.juju.addresses.iter().map(|one| one.ip).collect();
        let near_miss = by_hostname.clone();
        let information = cluster_information_path(mode.group);
        let configuration = Kind::BgpConfiguration.object_path(mode.group, "default");
        let all_peers = async {
            match (self.juju.leader, &self.juju.membership) {
                (true, Some(_)) => sweep::peers(kubernetes, mode, self.identity)
                    .await
                    .map(Some),
                _ => Ok(None),
            }
        };
        let (node, information, configuration, peers, pools, calico_config, all_peers) = join!(
            find_node(
                kubernetes,
                self.surroundings.host,
                by_hostname,
                &machine,
                &binding
            ),
            kubernetes.get(&information),
            kubernetes.get(&configuration),
            self.peers_of(kubernetes, mode, &self.identity.unit),
            self.pools(kubernetes, mode),
            self.calico_config(kubernetes, mode),
            all_peers,
        );
        let (locked, version) = cluster_information(information?.as_ref());
        report.version = version;
        if let Some(locked) = locked {
            return Err(Stop::Obstacle(locked));
        }
        let Some(node) = node? else {
            return Err(Stop::Status(self.no_node(near_miss.as_ref())));
        };
        let all_peers = all_peers?;
        Ok(Observed {
            node,
            configuration: configuration?.map(Live::new),
            peers: peers?,
            pools: pools?,
            calico_config: calico_config?,
            other_peers: all_peers
                .as_ref()
                .map(|peers| peers.others.clone())
                .unwrap_or_default(),
            all_peers: all_peers.map(|peers| peers.own),
        })
    }

    /// Why no Node is this unit's: one has the right name and another machine's address, or there is none yet.
    fn no_node(&self, near_miss: Option<&Value>) -> Status {
        let hostname = self.surroundings.host.hostname().to_lowercase();
        let ips = near_miss.into_iter().flat_map(internal_ips);
        let ips: Vec<String> = ips.map(|ip| ip.to_string()).collect();
        if ips.is_empty() {
            return Status::waiting(format!(
                "Waiting for a Node called {hostname} with an address of this machine"
            ));
        }
        Status::waiting(format!(
            "Waiting: Node {hostname} has InternalIP {}, which this machine has not",
            ips.join(", ")
        ))
    }

    fn machine_addresses(&self) -> Vec<IpAddr> {
        let mut addresses = self.surroundings.host.addresses();
        addresses.extend(self.juju.addresses.iter().map(|address| address.ip));
        addresses
    }

    /// The BGPPeers that carry a unit's label.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn peers_of(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
        unit: &UnitName,
    ) -> Result<Vec<Live>, ApiError> {
        let selector = self.identity.owner.unit_selector(unit);
        let query = format!("labelSelector={}", escape(&selector));
        let found = kubernetes
            .list(&Kind::BgpPeer.path(mode.group), &query)
            .await?;
        Ok(found.into_iter().map(Live::new).collect())
    }

    /// Pools matter to the leader alone, and only if they are the charm's to look after.
    async fn pools(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
    ) -> Result<Option<Vec<Live>>, ApiError> {
        if !self.juju.leader || !self.config.manage_pools {
            return Ok(None);
        }
        let pools = kubernetes.list(&Kind::IpPool.path(mode.group), "").await?;
        Ok(Some(pools.into_iter().map(Live::new).collect()))
    }

    /// The install manifests' settings, for the leader alone.
    async fn calico_config(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
    ) -> Result<Option<Live>, ApiError> {
        if !self.juju.leader {
            return Ok(None);
        }
        let path = Kind::CalicoConfig.object_path(mode.group, CALICO_CONFIG);
        Ok(kubernetes.get(&path).await?.map(Live::new))
    }

    /// A wanted BGPPeer that the label selector did not find may exist all the same: somebody else's, or this unit's
    /// with its labels dropped by another writer.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn fetch_unlabelled(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
        desired: &[Desired],
        peers: &mut Vec<Live>,
    ) -> Result<(), ApiError> {
        let missing: Vec<String> = desired
            .iter()
            .filter(|wanted| !peers.iter().any(|live| live.name() == wanted.name))
            .map(|wanted| Kind::BgpPeer.object_path(mode.group, &wanted.name))
            .collect();
        peers.extend(
            get_all(kubernetes, &missing)
                .await?
                .into_iter()
                .map(Live::new),
        );
        Ok(())
    }

    /// IPAM blocks are many: they are read only when a pool is to be made or to go.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn blocks_if_needed(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
        intents: &[PoolIntent],
        pools: &[Live],
    ) -> Result<Vec<Live>, ApiError> {
        let drain = self.config.unrecognized_pools == UnrecognizedPools::Drain;
        if needs_blocks(intents, pools, drain) {
            list_blocks(kubernetes, mode).await
        } else {
            Ok(Vec::new())
        }
    }
}
