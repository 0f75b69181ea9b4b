//! Charmed Kubernetes as its bundle lays it out.

use super::{Charm, Impossible, JujuModel, Machine};

/// The model UUID of the examples in Juju's documentation of tags.
const UUID: &str = "cdac5656-2423-4388-8f30-41854b4cca7d";
/// The control plane's units publish it in `cni` (charm kubernetes-control-plane).
const SERVICE_CIDR: &str = "10.152.183.0/24";

impl JujuModel {
    /// A model with kubernetes-control-plane, kubernetes-worker, etcd and calico, related as in the bundle: `fabric:0`,
    /// `etcd:3`, `cni:4` to the control plane and `cni:5` to the workers. The first machines are the control plane's, and
    /// calico's units have the numbers of the machines. No hook has run yet.
    ///
    /// # Errors
    /// Never with machines of their own: the pieces fit.
    pub fn charmed_kubernetes(
        control_plane: Vec<Machine>,
        workers: Vec<Machine>,
    ) -> Result<Self, Impossible> {
        let mut model = Self::new("k8s", UUID);
        model.deploy("calico", Charm::calico())?;
        model.deploy("etcd", Charm::etcd())?;
        model.number_next_relation(3)?;
        model.relate("calico:etcd", "etcd:db")?;
        for (name, machines) in [
            ("kubernetes-control-plane", control_plane),
            ("kubernetes-worker", workers),
        ] {
            model.deploy(name, Charm::kubernetes())?;
            let relation = model.relate("calico:cni", &format!("{name}:cni"))?;
            for machine in machines {
                let machine = model.add_machine(machine);
                let unit = model.add_unit(name, machine)?;
                model.write_databag(relation, &unit, [("kubeconfig-hash", "0f")])?;
                if name == "kubernetes-control-plane" {
                    model.write_databag(relation, &unit, [("service-cidr", SERVICE_CIDR)])?;
                }
            }
        }
        Ok(model)
    }
}
