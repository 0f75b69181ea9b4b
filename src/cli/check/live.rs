//! A live cluster as it is, or as it is going to be by a fabric's options. Performs IO; reads only.

use std::collections::BTreeMap;
use std::path::Path;

use futures::{join, try_join};

use crate::cluster::mode::{cluster_information, cluster_information_path};
use crate::cluster::{ApiError, Kubernetes, connect, mode};
use crate::fabric::{Objects, Origin, Scope, Target, Topology, backend, live, merge};
use crate::manifests::Catalogue;
use crate::model::{Place, Release};
use crate::plan::Live;
use crate::render::{BgpPeerName, CALICO_CONFIG, Kind};

/// DaemonSet of Calico's agent, which tells the backend.
const CALICO_NODE: &str = "/apis/apps/v1/namespaces/kube-system/daemonsets/calico-node";

/// Everything in a cluster that has to do with routes.
pub(super) struct Cluster {
    nodes: Vec<Live>,
    configurations: Vec<Live>,
    peers: Vec<Live>,
    filters: Vec<Live>,
    pools: Vec<Live>,
    daemon_set: Option<Live>,
    calico_config: Option<Live>,
    release: Release,
}

impl Cluster {
    /// Reads the cluster of a kubeconfig.
    ///
    /// # Errors
    /// When it cannot be asked, or has no Calico; in words.
    pub(super) fn read(kubeconfig: &Path) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("cannot start: {error}"))?;
        runtime.block_on(async {
            let client = connect(kubeconfig)
                .await
                .map_err(|error| crate::cli::hook::chain(&error))?;
            let found = Self::observe(&Kubernetes::new(client)).await;
            let found = found.map_err(|error| error.to_string()).flatten();
            found.map_err(|error| {
                format!(
                    "cannot read the cluster of {}: {error}",
                    kubeconfig.display()
                )
            })
        })
    }

    async fn observe(kubernetes: &Kubernetes) -> Result<Result<Self, String>, ApiError> {
        let (groups, daemon_set) = try_join!(kubernetes.get("/apis"), kubernetes.get(CALICO_NODE))?;
        let Ok(mode) = mode(kubernetes, &groups.unwrap_or_default()).await? else {
            return Ok(Err(
                "it has none of Calico's definitions, or moves them to another place now"
                    .to_owned(),
            ));
        };
        let path = |kind: Kind| kind.path(mode.group);
        let paths = [
            path(Kind::BgpConfiguration),
            path(Kind::BgpPeer),
            path(Kind::BgpFilter),
            path(Kind::IpPool),
        ];
        let information = cluster_information_path(mode.group);
        let calico_config = Kind::CalicoConfig.object_path(mode.group, CALICO_CONFIG);
        let (nodes, configurations, peers, filters, pools, information, calico_config) = join!(
            kubernetes.list("/api/v1/nodes", ""),
            kubernetes.list(&paths[0], ""),
            kubernetes.list(&paths[1], ""),
            kubernetes.list(&paths[2], ""),
            kubernetes.list(&paths[3], ""),
            kubernetes.get(&information),
            kubernetes.get(&calico_config),
        );
        let live = |found: Vec<_>| found.into_iter().map(Live::new).collect::<Vec<_>>();
        // Calico before 3.0 has no BGPFilter.
        let filters = match filters {
            Err(error) if error.is_not_found() => Vec::new(),
            filters => live(filters?),
        };
        let (_, version) = cluster_information(information?.as_ref());
        Ok(Ok(Self {
            nodes: live(nodes?),
            configurations: live(configurations?),
            peers: live(peers?),
            filters,
            pools: live(pools?),
            daemon_set: daemon_set.map(Live::new),
            calico_config: calico_config?.map(Live::new),
            release: version
                .and_then(|version| version.parse().ok())
                .unwrap_or_else(|| Catalogue::embedded().preferred()),
        }))
    }

    /// The fabric that is there; `wanted` tells which options ask for which of its BGPPeers.
    pub(super) fn topology(&self, wanted: Option<&Topology>) -> Topology {
        live(&Objects {
            nodes: &self.nodes,
            configurations: &self.configurations,
            peers: &self.peers,
            filters: &self.filters,
            pools: &self.pools,
            backend: backend(self.daemon_set.as_ref(), self.calico_config.as_ref()),
            release: self.release,
            service_cidrs: &[],
            places: &wanted.map(places).unwrap_or_default(),
        })
    }

    /// The fabric that options want, with what stays of the one that is there.
    pub(super) fn merged(&self, wanted: Topology) -> Topology {
        let there = self.topology(Some(&wanted));
        merge(wanted, there)
    }
}

/// The place that asks for each BGPPeer, by the object's name.
pub(in crate::cli) fn places(wanted: &Topology) -> BTreeMap<String, Place> {
    let named = wanted.peerings.iter().filter_map(|peering| {
        let (Origin::Option(place), Target::Address(address)) = (&peering.origin, &peering.target)
        else {
            return None;
        };
        let Scope::Node(node) = peering.scope else {
            return None;
        };
        let unit = wanted.nodes[node as usize].unit.as_ref()?;
        Some((BgpPeerName::new(unit, *address).to_string(), place.clone()))
    });
    named.collect()
}
