//! A container and its environment.

use serde_json::{Value, json};

use super::cursor::Cursor;
use super::{CALICO_CONFIG, EditError, EditProblem};

/// A container of a workload's pods.
pub(super) struct Container<'a>(Cursor<'a>);

impl<'a> Container<'a> {
    /// The container of a name, among `containers` or `initContainers`.
    pub(super) fn of(workload: Cursor<'a>, list: &str, name: &str) -> Result<Self, EditError> {
        let containers = workload.field(&["spec", "template", "spec", list])?;
        containers.item(name).map(Self)
    }

    /// A variable's own value; `None` when it is absent or comes from elsewhere.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.variable(name)?["value"].as_str()
    }

    fn variable(&self, name: &str) -> Option<&Value> {
        let env = self.0.value()["env"].as_array()?;
        env.iter().find(|variable| variable["name"] == name)
    }

    /// Sets a variable, in its place when it is there already.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), EditError> {
        self.put(name, json!({"name": name, "value": value}))
    }

    /// Sets a variable, or removes it.
    pub(super) fn set_or_remove(
        &mut self,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), EditError> {
        match value {
            Some(value) => self.set(name, value),
            None => self.remove(|variable| variable == name),
        }
    }

    /// Lets a variable come from a key of Calico's ConfigMap.
    pub(super) fn refer(&mut self, name: &str, key: &str) -> Result<(), EditError> {
        let reference = json!({"configMapKeyRef": {"name": CALICO_CONFIG, "key": key}});
        self.put(name, json!({"name": name, "valueFrom": reference}))
    }

    /// Checks that a variable comes from a key of Calico's ConfigMap, so that setting the key has an effect.
    pub(super) fn refers(&self, name: &str, key: &str) -> Result<(), EditError> {
        let reference = self
            .variable(name)
            .map(|variable| &variable["valueFrom"]["configMapKeyRef"]);
        if reference.is_some_and(|found| found["name"] == CALICO_CONFIG && found["key"] == key) {
            return Ok(());
        }
        let below =
            format!(".env[{name}].valueFrom.configMapKeyRef of {CALICO_CONFIG}, key {key},");
        Err(self.0.error(&below, EditProblem::Missing))
    }

    /// Checks that a variable has one value and no other.
    pub(super) fn require(
        &self,
        name: &str,
        value: &str,
        reason: &'static str,
    ) -> Result<(), EditError> {
        let below = format!(".env[{name}]");
        let problem = match self.variable(name) {
            Some(found) if found["value"] == value => return Ok(()),
            Some(found) => EditProblem::Unfit {
                found: found["value"].as_str().unwrap_or("a reference").to_owned(),
                reason,
            },
            None => EditProblem::Missing,
        };
        Err(self.0.error(&below, problem))
    }

    /// Removes the variables of these names.
    pub(super) fn remove(&mut self, is_unwanted: impl Fn(&str) -> bool) -> Result<(), EditError> {
        let env = self.env()?;
        env.retain(|variable| !is_unwanted(variable["name"].as_str().unwrap_or_default()));
        Ok(())
    }

    fn put(&mut self, name: &str, variable: Value) -> Result<(), EditError> {
        let env = self.env()?;
        match env.iter().position(|found| found["name"] == name) {
            Some(index) => env[index] = variable,
            None => env.push(variable),
        }
        Ok(())
    }

    fn env(&mut self) -> Result<&mut Vec<Value>, EditError> {
        let error = self.0.error(".env", EditProblem::NoList);
        let env = self.0.object()?.entry("env").or_insert_with(|| json!([]));
        env.as_array_mut().ok_or(error)
    }
}
