//! The networking backend, and what asks whether it is well.

use super::conflist::set_key;
use super::container::Container;
use super::cursor::{Cursor, find};
use super::{CALICO_NODE, EditError, EditProblem};
use crate::manifests::{Backend, Document, Settings};

const BACKEND: &str = "calico_backend";

pub(super) fn edit(documents: &mut [Document], settings: &Settings) -> Result<(), EditError> {
    let backend = settings.backend;
    set_key(documents, BACKEND, backend.as_str())?;
    let mut node = container(documents)?;
    node.refers("CALICO_NETWORKING_BACKEND", BACKEND)?;
    let kinds = cluster_type(node.value("CLUSTER_TYPE").unwrap_or("k8s"), backend);
    node.set("CLUSTER_TYPE", &kinds)?;
    for (probe, what) in [("livenessProbe", "live"), ("readinessProbe", "ready")] {
        let command = find(documents, "DaemonSet", CALICO_NODE)?
            .field(&["spec", "template", "spec", "containers"])?
            .item(CALICO_NODE)?
            .field(&[probe, "exec", "command"])?;
        ask_for_bird(command, what, backend)?;
    }
    Ok(())
}

fn container(documents: &mut [Document]) -> Result<Container<'_>, EditError> {
    Container::of(
        find(documents, "DaemonSet", CALICO_NODE)?,
        "containers",
        CALICO_NODE,
    )
}

/// What calico-node adds to its cluster's `ClusterInformation`: with `bgp` or without.
fn cluster_type(before: &str, backend: Backend) -> String {
    let mut kinds: Vec<&str> = before.split(',').filter(|kind| *kind != "bgp").collect();
    if backend == Backend::Bird {
        kinds.push("bgp");
    }
    kinds.join(",")
}

/// A probe that asks for BIRD where there is none fails for ever. The flag has as many dashes as Felix's beside it,
/// which are two since calico-node is one program with others (v3.33).
fn ask_for_bird(mut command: Cursor<'_>, what: &str, backend: Backend) -> Result<(), EditError> {
    let felix = format!("-felix-{what}");
    let missing = command.error(&format!("[{felix}]"), EditProblem::Missing);
    let flags = command.list()?;
    let bird = format!("-bird-{what}");
    let is_flag = |found: &serde_json::Value, flag: &str| {
        let found = found.as_str().unwrap_or_default();
        found == flag || found.strip_prefix('-') == Some(flag)
    };
    let Some(index) = flags.iter().position(|found| is_flag(found, &felix)) else {
        return Err(missing);
    };
    let has = flags.iter().any(|found| is_flag(found, &bird));
    match backend {
        Backend::Vxlan => flags.retain(|found| !is_flag(found, &bird)),
        Backend::Bird if has => {}
        Backend::Bird => {
            let dash = if flags[index] == felix.as_str() {
                ""
            } else {
                "-"
            };
            flags.insert(index + 1, format!("{dash}{bird}").into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn the_cluster_type_tells_bgp() {
        for (before, backend, after) in [
            ("k8s,bgp", Backend::Bird, "k8s,bgp"),
            ("k8s,bgp", Backend::Vxlan, "k8s"),
            ("k8s", Backend::Bird, "k8s,bgp"),
            ("bgp,k8s,kdd", Backend::Vxlan, "k8s,kdd"),
        ] {
            assert_eq!(cluster_type(before, backend), after);
        }
    }

    #[test]
    fn probes_ask_for_bird_where_it_runs() {
        let document = Document::new(json!({
            "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "x", "namespace": "y"}, "spec": [],
        }))
        .unwrap();
        for (before, backend, after) in [
            (
                json!(["n", "-felix-live", "-bird-live"]),
                Backend::Vxlan,
                json!(["n", "-felix-live"]),
            ),
            (
                json!(["n", "-felix-live", "-bird-live"]),
                Backend::Bird,
                json!(["n", "-felix-live", "-bird-live"]),
            ),
            (
                json!(["n", "-felix-live", "x"]),
                Backend::Bird,
                json!(["n", "-felix-live", "-bird-live", "x"]),
            ),
            (
                json!(["c", "health", "--felix-live", "--bird-live"]),
                Backend::Vxlan,
                json!(["c", "health", "--felix-live"]),
            ),
            (
                json!(["c", "health", "--felix-live"]),
                Backend::Bird,
                json!(["c", "health", "--felix-live", "--bird-live"]),
            ),
            (json!(["c", "-bird-live"]), Backend::Bird, Value::Null),
            (json!("-felix-live"), Backend::Bird, Value::Null),
        ] {
            let mut document = document.clone();
            let mut command = before.clone();
            let result = ask_for_bird(
                Cursor::new(&mut document).inside(&mut command),
                "live",
                backend,
            );
            match result {
                Ok(()) => assert_eq!(command, after, "{before}"),
                Err(error) => assert_eq!(after, Value::Null, "{before}: {error}"),
            }
        }
    }
}
