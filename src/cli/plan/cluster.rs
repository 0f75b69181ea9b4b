//! What a live cluster holds of everything the charm writes: each kind listed once. Performs IO.

use std::collections::BTreeSet;

use futures::{join, try_join};

use crate::cluster::mode::{cluster_information, cluster_information_path, uses_etcd};
use crate::cluster::{ApiError, Kubernetes, Obstacle, list_blocks, mode};
use crate::config::CharmConfig;
use crate::plan::Live;
use crate::render::Kind;

/// DaemonSet of Calico's agent, which tells the datastore.
const CALICO_NODE: &str = "/apis/apps/v1/namespaces/kube-system/daemonsets/calico-node";

/// What is there.
#[derive(Debug, Default)]
pub(super) struct Observed {
    pub(super) configuration: Option<Live>,
    pub(super) pools: Vec<Live>,
    /// Only read where a pool is to be made or to go.
    pub(super) blocks: Vec<Live>,
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
    let paths = [Kind::BgpPeer, Kind::IpPool].map(|kind| kind.path(mode.group));
    let configuration = Kind::BgpConfiguration.object_path(mode.group, "default");
    let information = cluster_information_path(mode.group);
    let (configuration, information, peers, pools, nodes) = join!(
        kubernetes.get(&configuration),
        kubernetes.get(&information),
        kubernetes.list(&paths[0], ""),
        kubernetes.list(&paths[1], ""),
        kubernetes.list("/api/v1/nodes", ""),
    );
    let live = |found: Vec<_>| found.into_iter().map(Live::new).collect::<Vec<_>>();
    let pools = live(pools?);
    let present: BTreeSet<&str> = pools.iter().map(|pool| pool.spec_text("cidr")).collect();
    let wanted: Vec<String> = config.cidr.iter().map(ToString::to_string).collect();
    let wanted: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
    let blocks = if config.manage_pools && present != wanted {
        list_blocks(kubernetes, mode).await?
    } else {
        Vec::new()
    };
    let (locked, _) = cluster_information(information?.as_ref());
    let etcd = uses_etcd(daemon_set.as_ref()).then_some(Obstacle::EtcdDatastore);
    Ok(Observed {
        configuration: configuration?.map(Live::new),
        pools,
        blocks,
        peers: live(peers?),
        nodes: live(nodes?),
        obstacle: etcd.or(locked),
    })
}
