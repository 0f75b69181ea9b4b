//! What Juju says about the running hook through its environment. Pure: built from pairs, not from the process.

use std::collections::BTreeMap;

/// The variables of one hook or action that the charm acts on (Juju reference, "hook environment"). An action has no
/// relation, and `JUJU_HOOK_NAME` is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JujuContext {
    /// `JUJU_UNIT_NAME`, for example `calico/0`.
    pub unit: String,
    /// `JUJU_MODEL_UUID`.
    pub model_uuid: String,
    /// `JUJU_PRINCIPAL_UNIT`, for example `kubernetes-worker/3`; absent only outside a subordinate.
    pub principal: Option<String>,
    /// `JUJU_AVAILABILITY_ZONE`.
    pub zone: Option<String>,
    /// `JUJU_RELATION_ID` in relation hooks, for example `cni:4`.
    pub relation_id: Option<String>,
    /// `JUJU_REMOTE_UNIT` in relation hooks that are about one unit.
    pub remote_unit: Option<String>,
}

/// A variable that every hook and action has is missing: the program was not started by Juju.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{variable} is not set: hooks and actions are run by Juju, not by hand")]
pub struct MissingVariable {
    variable: &'static str,
}

impl JujuContext {
    /// Reads the context from `(name, value)` pairs; an empty value counts as absent, as Juju sets some variables so.
    ///
    /// # Errors
    /// Names the variable that every hook and action has and this environment lacks.
    pub fn from_variables(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, MissingVariable> {
        let mut variables: BTreeMap<String, String> = variables
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let mut required = |variable: &'static str| {
            variables
                .remove(variable)
                .ok_or(MissingVariable { variable })
        };
        Ok(Self {
            unit: required("JUJU_UNIT_NAME")?,
            model_uuid: required("JUJU_MODEL_UUID")?,
            principal: variables.remove("JUJU_PRINCIPAL_UNIT"),
            zone: variables.remove("JUJU_AVAILABILITY_ZONE"),
            relation_id: variables.remove("JUJU_RELATION_ID"),
            remote_unit: variables.remove("JUJU_REMOTE_UNIT"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn empty_variables_count_as_absent() {
        let context = JujuContext::from_variables(pairs(&[
            ("JUJU_UNIT_NAME", "calico/0"),
            ("JUJU_MODEL_UUID", "cdac5656"),
            ("JUJU_AVAILABILITY_ZONE", ""),
            ("JUJU_PRINCIPAL_UNIT", "kubernetes-worker/3"),
        ]))
        .unwrap();
        assert_eq!(context.zone, None);
        assert_eq!(context.principal.as_deref(), Some("kubernetes-worker/3"));
    }

    #[test]
    fn an_action_has_a_context() {
        let context = JujuContext::from_variables(pairs(&[
            ("JUJU_UNIT_NAME", "calico/0"),
            ("JUJU_MODEL_UUID", "cdac5656"),
            ("JUJU_HOOK_NAME", ""),
            ("JUJU_ACTION_NAME", "show"),
            ("JUJU_PRINCIPAL_UNIT", "kubernetes-worker/3"),
        ]))
        .unwrap();
        assert_eq!(context.unit, "calico/0");
        assert_eq!(context.relation_id, None);
    }

    #[test]
    fn a_missing_unit_name_is_named() {
        let error = JujuContext::from_variables(pairs(&[("JUJU_MODEL_UUID", "x")])).unwrap_err();
        assert!(error.to_string().starts_with("JUJU_UNIT_NAME is not set"));
    }
}
