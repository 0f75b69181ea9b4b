//! `pools`: no pool goes while a pod has an address of it, the new one is there before the old one gives out no more, and
//! `manage-pools=false` means that no pool is touched.

use serde_json::Value;

use super::touched::{Touched, after, before, config, violation, writer};
use crate::model::{Cidr, Family, UnitAddress};
use crate::plan::{Live, usage};
use crate::sim::history::scene::{Scene, Told, Violation, Watch, Written};

/// The invariant's name.
pub const NAME: &str = "pools";

/// Watches pools and their blocks.
pub struct Pools;

impl Watch for Pools {
    fn written(&mut self, scene: &Scene<'_>, write: &Written) -> Vec<Violation> {
        if writer(scene, write).is_none() {
            return Vec::new();
        }
        let messages = match Touched::by(write) {
            Touched::Pool(name) => pool(scene, write, name),
            Touched::Block(_) => block(write).into_iter().collect(),
            Touched::Affinity => Vec::new(),
            _ => return Vec::new(),
        };
        let mut found: Vec<Violation> = messages
            .into_iter()
            .map(|message| violation(NAME, write, message))
            .collect();
        if config(scene, &write.options).is_some_and(|config| !config.manage_pools) {
            found.push(violation(NAME, write, "manage-pools is false"));
        }
        found
    }

    fn told(&mut self, _: &Scene<'_>, _: &Told) -> Vec<Violation> {
        Vec::new()
    }
}

fn cidr(live: &Live) -> Option<Cidr> {
    UnitAddress::read(live.spec_text("cidr")).map(|address| address.subnet)
}

fn objects(scene: &Scene<'_>, kind: &str) -> Vec<Live> {
    let found = scene.server.objects(kind).into_iter();
    found.map(Live::new).collect()
}

/// Whether pods get addresses of a pool.
fn gives_out(pool: &Live) -> bool {
    let uses = pool.spec("allowedUses").and_then(Value::as_array);
    pool.spec("disabled").and_then(Value::as_bool) != Some(true)
        && !pool.is_deleting()
        && uses.is_none_or(|uses| uses.iter().any(|one| one == "Workload"))
}

/// Whether nodes get tunnel addresses of a pool for this kind of tunnel.
fn carries(pool: &Live, mode: &str) -> bool {
    let uses = pool.spec("allowedUses").and_then(Value::as_array);
    pool.spec("disabled").and_then(Value::as_bool) != Some(true)
        && !pool.is_deleting()
        && !matches!(pool.spec_text(mode), "" | "Never")
        && uses.is_none_or(|uses| uses.iter().any(|one| one == "Tunnel"))
}

fn pool(scene: &Scene<'_>, write: &Written, name: &str) -> Vec<String> {
    let Some(was) = before(write) else {
        return Vec::new();
    };
    let Some(network) = cidr(&was) else {
        return Vec::new();
    };
    let used = usage(network, &objects(scene, "IPAMBlock")).workloads;
    let mut found = Vec::new();
    let is = after(write).filter(|is| !is.is_deleting());
    if is.is_none() && used > 0 && !was.is_deleting() {
        found.push(format!("goes while {used} addresses of it are in use"));
    }
    let pools = objects(scene, "IPPool");
    let others: Vec<&Live> = pools.iter().filter(|pool| pool.name() != name).collect();
    let same_family =
        |pool: &&&Live| cidr(pool).map(|cidr| cidr.family()) == Some(network.family());
    for mode in ["ipipMode", "vxlanMode"] {
        let carried = carries(&was, mode);
        let carries_still = is.as_ref().is_some_and(|is| carries(is, mode));
        // Another encapsulation is a cut that is declared; a pool that gives out nothing is not.
        let same_mode = is
            .as_ref()
            .is_some_and(|is| is.spec_text(mode) == was.spec_text(mode));
        let mut others = others.iter().filter(same_family);
        if carried
            && !carries_still
            && same_mode
            && used > 0
            && !others.any(|pool| carries(pool, mode))
        {
            found.push(format!(
                "is the last one with {mode} on, and {used} of its addresses are in use"
            ));
        }
    }
    let gives = is.as_ref().is_some_and(gives_out);
    if gives_out(&was) && !gives {
        found.extend(unreplaced(scene, write, network.family(), &others));
    }
    found
}

/// The wanted pool that is not there yet.
fn unreplaced(
    scene: &Scene<'_>,
    write: &Written,
    family: Family,
    others: &[&Live],
) -> Option<String> {
    let config = config(scene, &write.options)?;
    let wanted = config
        .cidr
        .into_iter()
        .find(|cidr| cidr.family() == family)?;
    let stands = others
        .iter()
        .any(|pool| cidr(pool) == Some(wanted) && gives_out(pool));
    (!stands).then(|| format!("gives out no more before a pool of {wanted} does"))
}

/// A block with addresses of pods stays.
fn block(write: &Written) -> Option<String> {
    let was = before(write)?;
    let network = cidr(&was)?;
    let goes = match after(write) {
        None => true,
        Some(is) => is.spec("deleted").and_then(Value::as_bool) == Some(true) || is.is_deleting(),
    };
    let used = usage(network, std::slice::from_ref(&was)).workloads;
    (goes && used > 0).then(|| format!("goes with {used} addresses in use"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::history::invariant::stage::{MESH, Stage};
    use serde_json::json;

    const MOVED: [(&str, &str); 2] = [("cidr", "172.20.0.0/16"), ("ipip", "Always")];

    fn found(stage: &Stage, write: Written, options: &[(&str, &str)]) -> Vec<String> {
        let found = Pools.written(&stage.scene(), &Stage::of(write, options));
        found.into_iter().map(|one| one.message).collect()
    }

    fn new_pool() -> Value {
        json!({
            "apiVersion": "crd.projectcalico.org/v1", "kind": "IPPool", "metadata": {"name": "ipv4-new"},
            "spec": {"cidr": "172.20.0.0/16", "ipipMode": "Always", "vxlanMode": "Never", "blockSize": 26},
        })
    }

    #[test]
    fn the_new_pool_comes_first() {
        let stage = Stage::new(2);
        stage.pod(3);
        let off = json!({"spec": {"disabled": true}});
        let write = stage.merge("calico/0", "IPPool", "ipv4", &off);
        let seen = found(&stage, write, &MOVED);
        assert!(
            seen[0].contains("is the last one with ipipMode on"),
            "{seen:?}"
        );
        assert!(
            seen[1].contains("before a pool of 172.20.0.0/16"),
            "{seen:?}"
        );
        stage.merge(
            "calico/0",
            "IPPool",
            "ipv4",
            &json!({"spec": {"disabled": false}}),
        );
        assert_eq!(
            found(&stage, stage.insert("calico/0", new_pool()), &MOVED),
            [""; 0]
        );
        let write = stage.merge("calico/0", "IPPool", "ipv4", &off);
        assert_eq!(found(&stage, write, &MOVED), [""; 0]);
    }

    #[test]
    fn a_pool_in_use_stays() {
        let stage = Stage::new(2);
        stage.insert("calico/0", new_pool());
        stage.merge(
            "calico/0",
            "IPPool",
            "ipv4",
            &json!({"spec": {"disabled": true}}),
        );
        stage.pod(2);
        let write = stage.delete("calico/0", "IPPool", "ipv4");
        let seen = found(&stage, write, &MOVED);
        assert!(seen[0].contains("while 2 addresses"), "{seen:?}");
        let write = stage.delete("calico/0", "IPAMBlock", "192-168-0-0-26");
        let seen = found(&stage, write, &MOVED);
        assert!(seen[0].contains("goes with 2"), "{seen:?}");
        let stage = Stage::new(2);
        stage.insert("calico/0", new_pool());
        let write = stage.delete("calico/0", "IPPool", "ipv4");
        assert_eq!(found(&stage, write, &MOVED), [""; 0]);
    }

    #[test]
    fn the_operators_pools_stay() {
        let stage = Stage::new(2);
        let mut options = MESH.to_vec();
        options.push(("manage-pools", "false"));
        let write = stage.merge(
            "calico/0",
            "IPPool",
            "ipv4",
            &json!({"spec": {"natOutgoing": true}}),
        );
        assert_eq!(found(&stage, write, &options).len(), 1);
    }
}
