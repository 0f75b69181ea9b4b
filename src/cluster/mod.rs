//! Reads what is in the cluster and carries a plan out. Performs IO.

pub mod affinity;
pub mod apply;
pub mod connect;
pub mod eviction;
pub mod kubernetes;
pub mod mode;
pub mod node;
pub mod node_status;
pub mod pool;

pub use apply::{StepResult, apply_wave};
pub use connect::{ConnectError, connect};
pub use eviction::{Eviction, evict};
pub use kubernetes::{ApiError, Failure, Kubernetes, escape, get_all};
pub use mode::{Mode, Obstacle, mode};
pub use node::{Running, find_node, internal_ips, node_path, running, runs_pods};
pub use pool::{has_workloads, list_blocks, pods_on};
