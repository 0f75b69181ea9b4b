//! What a live cluster holds of everything the charm writes: each kind listed once. Performs IO.

use std::collections::BTreeSet;

use futures::{join, try_join};

use crate::cluster::mode::{cluster_information, cluster_information_path, uses_etcd};
use crate::cluster::{ApiError, Kubernetes, Obstacle, list_blocks, mode, pods_on};
use crate::config::CharmConfig;
use crate::model::{ClusterIntent, UnrecognizedPools};
use crate::plan::{HeldAddress, Live, not_in_blocks};
use crate::render::{CALICO_CONFIG, Kind};

/// DaemonSet of Calico's agent, which tells the datastore and the backend.
const CALICO_NODE: &str = "/apis/apps/v1/namespaces/kube-system/daemonsets/calico-node";

/// What is there.
#[derive(Debug, Default)]
pub(super) struct Observed {
    pub(super) configuration: Option<Live>,
    /// All of them, those of single nodes too.
    pub(super) configurations: Vec<Live>,
    pub(super) filters: Vec<Live>,
    pub(super) daemon_set: Option<Live>,
    /// The install manifests' settings.
    pub(super) calico_config: Option<Live>,
    /// Calico's version, where it says so.
    pub(super) version: Option<String>,
    pub(super) pools: Vec<Live>,
    /// Only read where a pool is to be made or to go.
    pub(super) blocks: Vec<Live>,
    /// Addresses of pods in pools that go and that no block knows a workload of.
    pub(super) pods: Vec<HeldAddress>,
    pub(super) peers: Vec<Live>,
    pub(super) nodes: Vec<Live>,
    /// What keeps every unit from writing.
    pub(super) obstacle: Option<Obstacle>,
}

/// Reads it.
///
/// # Errors
/// When the API cannot be asked, or has none of Calico's groups.
pub(super) async fn observe(
    client: kube::Client,
    config: &CharmConfig,
) -> Result<Observed, String> {
    let kubernetes = Kubernetes::new(client);
    read(&kubernetes, config)
        .await
        .map_err(|error| error.to_string())
}

async fn read(kubernetes: &Kubernetes, config: &CharmConfig) -> Result<Observed, ApiError> {
    let (groups, daemon_set) = try_join!(kubernetes.get("/apis"), kubernetes.get(CALICO_NODE))?;
    let mode = match mode(kubernetes, &groups.unwrap_or_default()).await? {
        Ok(mode) => mode,
        Err(obstacle) => {
            return Ok(Observed {
                obstacle: Some(obstacle),
                ..Observed::default()
            });
        }
    };
    let kinds = [
        Kind::BgpConfiguration,
        Kind::BgpPeer,
        Kind::BgpFilter,
        Kind::IpPool,
    ];
    let paths = kinds.map(|kind| kind.path(mode.group));
    let information = cluster_information_path(mode.group);
    let calico_config = Kind::CalicoConfig.object_path(mode.group, CALICO_CONFIG);
    let (configurations, peers, filters, pools, nodes, information, calico_config) = join!(
        kubernetes.list(&paths[0], ""),
        kubernetes.list(&paths[1], ""),
        kubernetes.list(&paths[2], ""),
        kubernetes.list(&paths[3], ""),
        kubernetes.list("/api/v1/nodes", ""),
        kubernetes.get(&information),
        kubernetes.get(&calico_config),
    );
    let live = |found: Vec<_>| found.into_iter().map(Live::new).collect::<Vec<_>>();
    let configurations = live(configurations?);
    let filters = match filters {
        // Somebody may have installed definitions without it.
        Err(error) if error.is_not_found() => Vec::new(),
        filters => live(filters?),
    };
    let pools = live(pools?);
    let present: BTreeSet<&str> = pools.iter().map(|pool| pool.spec_text("cidr")).collect();
    let wanted: Vec<String> = config.cidr.iter().map(ToString::to_string).collect();
    let wanted: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
    let blocks = if config.manage_pools && present != wanted {
        list_blocks(kubernetes, mode).await?
    } else {
        Vec::new()
    };
    let intent = ClusterIntent::new(config);
    let drains = config.unrecognized_pools == UnrecognizedPools::Drain;
    let asked = match intent.pools().filter(|_| drains) {
        Some(intents) => not_in_blocks(intents, &pools, &blocks),
        None => Vec::new(),
    };
    let pods = if asked.is_empty() {
        Vec::new()
    } else {
        pods_on(kubernetes, &asked).await?
    };
    let (locked, version) = cluster_information(information?.as_ref());
    let etcd = uses_etcd(daemon_set.as_ref()).then_some(Obstacle::EtcdDatastore);
    Ok(Observed {
        configuration: configurations
            .iter()
            .find(|found| found.name() == "default")
            .cloned(),
        configurations,
        filters,
        daemon_set: daemon_set.map(Live::new),
        calico_config: calico_config?.map(Live::new),
        version,
        pools,
        blocks,
        pods,
        peers: live(peers?),
        nodes: live(nodes?),
        obstacle: etcd.or(locked),
    })
}
