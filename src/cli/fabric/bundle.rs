//! Juju bundles with their overlays, and the output of `juju config`: options, and no units.

use super::read::Reading;
use super::yaml::{Node, Value};

/// The charm's name.
const CHARM: &str = "calico";

/// Reads the options of a bundle's calico application (Juju's bundle reference; `services:` is its older word). A
/// document without that application, such as an overlay for others, gives nothing.
pub(super) fn read_bundle(document: &Node, reading: &mut Reading) {
    let applications = ["applications", "services"];
    let Some(applications) = applications.iter().find_map(|key| document.get(key)) else {
        return;
    };
    let entries = reading.entries(applications, "applications");
    let mut found = entries
        .iter()
        .filter(|(name, _, application)| is_calico(name, application));
    let (Some((name, key, application)), None) = (found.next(), found.next()) else {
        let calico = entries.iter().find(|(name, _, _)| *name == CHARM);
        match calico {
            Some((name, key, application)) => read_application(name, key, application, reading),
            None if entries
                .iter()
                .any(|(name, _, application)| is_calico(name, application)) =>
            {
                reading.refuse(
                    applications,
                    "more than one application deploys this charm",
                    "leave one in",
                );
            }
            None => {}
        }
        return;
    };
    read_application(name, key, application, reading);
}

/// By name, or by the charm: `calico`, `ch:calico`, `cs:~containers/calico-838`, `./calico_ubuntu-22.04-amd64.charm`.
fn is_calico(name: &str, application: &Node) -> bool {
    let charm = application.get("charm").and_then(Node::text);
    let Some(charm) = charm else {
        return name == CHARM;
    };
    let last = charm.rsplit(['/', ':']).next().unwrap_or(charm);
    let rest = last.strip_prefix(CHARM);
    rest.is_some_and(|rest| {
        let revision = rest
            .strip_prefix('-')
            .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        rest.is_empty() || revision || rest.starts_with('_') || rest.starts_with('.')
    })
}

fn read_application(name: &str, key: &Node, application: &Node, reading: &mut Reading) {
    reading.name_application(name, key);
    let Some(options) = application.get("options") else {
        return;
    };
    for (name, key, value) in reading.entries(options, "options") {
        if matches!(value.value, Value::List(_) | Value::Map(_)) {
            let message = format!("{name} is {} where a bundle has a text", value.shape());
            reading.refuse(
                value,
                message,
                &format!("write `{name}: |` and the value indented below it"),
            );
            continue;
        }
        if value
            .text()
            .is_some_and(|text| text.starts_with("include-"))
        {
            let message = format!("{name} is in another file");
            reading.refuse(
                value,
                message,
                "write the value itself: files that a bundle includes are not read",
            );
            continue;
        }
        let file = reading.file;
        reading.options.set(file, name, key, value);
    }
}

/// Reads `juju config calico`: `settings:` with a `value` for each option.
pub(super) fn read_settings(document: &Node, reading: &mut Reading) {
    if let Some(application) = document.get("application") {
        let name = application.text().unwrap_or_default().to_owned();
        reading.name_application(&name, application);
    }
    let Some(settings) = document.get("settings") else {
        return;
    };
    for (name, key, setting) in reading.entries(settings, "settings") {
        if let Some(value) = setting.get("value") {
            let file = reading.file;
            reading.options.set(file, name, key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::fabric::read::read_for_test;
    use crate::config::RawValue;

    const UNITS: &str = "units: {net/0: {addresses: 10.0.0.5/24}}\n";

    fn option(files: &[&str], name: &str) -> Option<RawValue> {
        let fabric = read_for_test(files).unwrap();
        assert_eq!(fabric.application, "net");
        fabric.options.raw().get(name).cloned()
    }

    #[test]
    fn the_application_is_known_by_its_charm() {
        for charm in [
            "calico",
            "ch:calico",
            "ch:amd64/jammy/calico-87",
            "cs:~containers/calico-838",
            "./calico_ubuntu-22.04-amd64.charm",
        ] {
            let bundle = format!(
                "applications:\n  a: {{charm: other, options: {{ipip: no}}}}\n  net: {{charm: \"{charm}\", options: {{ipip: Always}}}}\n"
            );
            assert_eq!(
                option(&[&bundle, UNITS], "ipip"),
                Some(RawValue::Text("Always".into())),
                "{charm}"
            );
        }
        for charm in ["calico-extra", "tigera-calico", "calicox"] {
            let bundle =
                format!("applications: {{x: {{charm: {charm}, options: {{ipip: Always}}}}}}\n");
            assert_eq!(option(&[&bundle, UNITS], "ipip"), None, "{charm}");
        }
    }

    #[test]
    fn overlays_and_later_files_win() {
        let bundle = "applications: {net: {charm: calico, options: {ipip: Always, vxlan: Never}}}\n---\napplications: {net: {charm: calico, options: {ipip: Never}}}\n";
        let settings = "application: net\ncharm: calico\nsettings:\n  vxlan: {default: Never, source: user, type: string, value: CrossSubnet}\n  cidr: {source: unset}\n";
        assert_eq!(
            option(&[bundle, UNITS], "ipip"),
            Some(RawValue::Text("Never".into()))
        );
        assert_eq!(
            option(&[bundle, settings, UNITS], "vxlan"),
            Some(RawValue::Text("CrossSubnet".into()))
        );
        assert_eq!(option(&[bundle, settings, UNITS], "cidr"), None);
    }

    #[test]
    fn bundles_without_units_or_with_what_is_not_read_are_refused() {
        for (files, message) in [
            (
                vec!["applications: {net: {charm: calico, num_units: 0}}\n"],
                "which units there are",
            ),
            (
                vec![
                    "applications: {net: {charm: calico, options: {unit-bgp-peers: {0: []}}}}\n",
                    UNITS,
                ],
                "is a map where a bundle has a text",
            ),
            (
                vec![
                    "applications: {net: {charm: calico, options: {cidr: include-file://x}}}\n",
                    UNITS,
                ],
                "in another file",
            ),
            (
                vec![
                    "applications: {a: {charm: calico}, b: {charm: calico}}\n",
                    UNITS,
                ],
                "more than one application",
            ),
            (
                vec!["applications: {calico: {charm: calico}}\n", UNITS],
                "another place means calico",
            ),
            (vec!["machines: {}\n"], "no file that FABRIC can be"),
            (vec!["", UNITS], "is empty"),
            (vec!["a: [", UNITS], "is not YAML"),
        ] {
            let refused = read_for_test(&files).unwrap_err();
            assert!(
                refused.diagnostics[0].message.contains(message),
                "{:?}",
                refused.diagnostics
            );
        }
    }
}
