//! What the server asks of workloads and bindings beside their types.

use serde_json::Value;

use super::collection::text_at;
use super::status_error::FieldError;

/// The rules on the kinds that an installation of Calico writes (`pkg/apis/*/validation`): as many as a wrong document
/// or a change between two releases of it could break.
pub(super) fn check(kind: &str, object: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    match kind {
        "DaemonSet" | "Deployment" => check_workload(object, old, errors),
        "ClusterRoleBinding" | "RoleBinding" => {
            if let Some(old) = old
                && old["roleRef"] != object["roleRef"]
            {
                let reference = &object["roleRef"];
                errors.push(FieldError::invalid(
                    "roleRef",
                    reference,
                    "cannot change roleRef",
                ));
            }
        }
        _ => {}
    }
}

fn check_workload(object: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let (spec, template) = (&object["spec"], &object["spec"]["template"]);
    let wanted = spec["selector"]["matchLabels"].as_object();
    let labels = template["metadata"]["labels"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    match wanted {
        None => errors.push(FieldError::required("spec.selector", "")),
        Some(wanted)
            if wanted
                .iter()
                .any(|(key, value)| labels.get(key) != Some(value)) =>
        {
            errors.push(FieldError::invalid(
                "spec.template.metadata.labels",
                &Value::Object(labels),
                "`selector` does not match template `labels`",
            ));
        }
        Some(_) => {}
    }
    check_pod(&template["spec"], errors);
    if let Some(old) = old
        && old["spec"]["selector"] != spec["selector"]
    {
        errors.push(FieldError::invalid(
            "spec.selector",
            &spec["selector"],
            "field is immutable",
        ));
    }
}

fn check_pod(spec: &Value, errors: &mut Vec<FieldError>) {
    let path = "spec.template.spec";
    let empty = Vec::new();
    let volumes = spec["volumes"].as_array().unwrap_or(&empty);
    let has = |name: &Value| volumes.iter().any(|volume| volume["name"] == *name);
    let containers = |list: &str| spec[list].as_array().cloned().unwrap_or_default();
    if containers("containers").is_empty() {
        errors.push(FieldError::required(&format!("{path}.containers"), ""));
    }
    for list in ["containers", "initContainers"] {
        for (index, container) in containers(list).iter().enumerate() {
            let path = format!("{path}.{list}[{index}]");
            if text_at(container, "/image").is_empty() {
                errors.push(FieldError::required(&format!("{path}.image"), ""));
            }
            let mounts = container["volumeMounts"].as_array().unwrap_or(&empty);
            for (index, mount) in mounts
                .iter()
                .enumerate()
                .filter(|(_, mount)| !has(&mount["name"]))
            {
                let field = format!("{path}.volumeMounts[{index}].name");
                errors.push(FieldError::not_found(&field, &mount["name"]));
            }
        }
    }
}
