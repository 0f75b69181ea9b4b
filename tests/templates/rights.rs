//! Rights of two sets of cluster roles, side by side.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::known::Right;

/// Role, group, resource, verb.
pub type RightTo = (String, String, String, String);

/// Every right, with the names it is for; none: for all.
pub fn rights(documents: &[Value]) -> BTreeMap<RightTo, BTreeSet<String>> {
    let mut rights: BTreeMap<RightTo, BTreeSet<String>> = BTreeMap::new();
    let texts = |value: &Value| -> Vec<String> {
        let texts = value.as_array().into_iter().flatten();
        texts
            .map(|text| text.as_str().expect("a text").to_owned())
            .collect()
    };
    for role in documents
        .iter()
        .filter(|document| document["kind"] == "ClusterRole")
    {
        let name = role["metadata"]["name"].as_str().expect("a name");
        for rule in role["rules"].as_array().expect("rules") {
            let only: BTreeSet<String> = texts(&rule["resourceNames"]).into_iter().collect();
            for group in texts(&rule["apiGroups"]) {
                for resource in texts(&rule["resources"]) {
                    for verb in texts(&rule["verbs"]) {
                        let right = (name.to_owned(), group.clone(), resource.clone(), verb);
                        let names = rights.entry(right).or_insert_with(|| only.clone());
                        if names.is_empty() || only.is_empty() {
                            names.clear();
                        } else {
                            names.extend(only.iter().cloned());
                        }
                    }
                }
            }
        }
    }
    rights
}

/// Which entries of the tables in `known` were needed.
#[derive(Default)]
pub struct Excuses(pub BTreeSet<(&'static str, usize)>);

impl Excuses {
    pub fn has(&mut self, name: &'static str, table: &[Right], right: &RightTo) -> bool {
        let (role, group, resource, verb) = right;
        let index = table.iter().position(|known| {
            let resources = known.resources;
            known.role == role
                && known.group == group
                && (resources.contains(&resource.as_str())
                    // Only for groups of which nothing is given; elsewhere a resource is left out by name.
                    || (resources == ["*"] && !group.starts_with("crd.")))
                && (known.verbs.is_empty() || known.verbs.contains(&verb.as_str()))
        });
        index.is_some_and(|index| {
            self.0.insert((name, index));
            true
        })
    }
}
