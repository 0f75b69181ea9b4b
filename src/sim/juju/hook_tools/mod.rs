//! The hook tools, one function each, with Juju's exit statuses and words (Juju's hook tool reference; package `jujuc`).
//!
//! Exit status 2 is wrong usage, 1 a runtime error; then standard output is empty and standard error says `ERROR …`.

mod action;
mod arguments;
mod charm_state;
mod config;
mod goal_state;
mod leadership;
mod log;
mod network;
mod output;
mod ports;
mod relation;
mod relation_set;
mod status;

#[cfg(test)]
mod tests;

use arguments::{Arguments, Flag};

use super::hook::HookContext;
use super::model::{JujuModel, Unit};
use super::relation::Relation;
use crate::juju::tools::ToolOutput;

/// A hook tool as Juju puts it on `PATH`.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    name: &'static str,
    flags: &'static [Flag],
    /// Whether it works in restricted contexts.
    unrestricted: bool,
    run: fn(&mut Invocation<'_>) -> Answer,
}

impl Tool {
    /// Its name on `PATH`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }
}

/// One call that is being answered.
struct Invocation<'a> {
    model: &'a mut JujuModel,
    hook: &'a mut HookContext,
    arguments: Arguments,
    stdin: Option<&'a str>,
}

/// Standard output, or why there is none.
type Answer = Result<String, Refusal>;

/// Why a tool did not do what it was asked.
#[derive(Debug)]
enum Refusal {
    /// Exit status 2.
    Usage(String),
    /// Exit status 1.
    Runtime(String),
}

const FORMAT: Flag = Flag::Value(&["format"]);
const RELATION: Flag = Flag::Value(&["r", "relation"]);
const APP: Flag = Flag::Switch(&["app"]);
const FILE: Flag = Flag::Value(&["file"]);
const APPLICATION: Flag = Flag::Switch(&["application"]);

/// Every tool the model answers.
pub const TOOLS: &[Tool] = &[
    tool("action-fail", &[], action::fail),
    tool("action-get", &[FORMAT], action::get),
    tool("action-log", &[], action::log),
    tool("action-set", &[], action::set),
    tool("application-version-set", &[], status::version_set),
    tool("close-port", &[Flag::Value(&["endpoints"])], ports::close),
    tool(
        "config-get",
        &[FORMAT, Flag::Switch(&["a", "all"])],
        config::get,
    ),
    tool("goal-state", &[FORMAT], goal_state::get),
    tool("is-leader", &[FORMAT], leadership::is_leader),
    Tool {
        unrestricted: true,
        ..tool(
            "juju-log",
            &[
                Flag::Switch(&["debug"]),
                Flag::Value(&["l", "log-level"]),
                FORMAT,
            ],
            log::juju_log,
        )
    },
    tool("leader-get", &[FORMAT], leadership::get),
    tool("leader-set", &[], leadership::set),
    tool(
        "network-get",
        &[
            FORMAT,
            RELATION,
            Flag::Switch(&["bind-address"]),
            Flag::Switch(&["ingress-address"]),
            Flag::Switch(&["egress-subnets"]),
            Flag::Switch(&["primary-address"]),
        ],
        network::get,
    ),
    tool("open-port", &[Flag::Value(&["endpoints"])], ports::open),
    tool(
        "opened-ports",
        &[FORMAT, Flag::Switch(&["endpoints"])],
        ports::opened,
    ),
    tool("relation-get", &[FORMAT, RELATION, APP], relation::get),
    tool("relation-ids", &[FORMAT], relation::ids),
    tool("relation-list", &[FORMAT, RELATION, APP], relation::list),
    tool(
        "relation-set",
        &[FORMAT, RELATION, APP, FILE],
        relation_set::set,
    ),
    tool("resource-get", &[], config::resource_get),
    tool("state-delete", &[], charm_state::delete),
    tool(
        "state-get",
        &[FORMAT, Flag::Switch(&["strict"])],
        charm_state::get,
    ),
    tool("state-set", &[FILE], charm_state::set),
    tool(
        "status-get",
        &[FORMAT, Flag::Switch(&["include-data"]), APPLICATION],
        status::get,
    ),
    tool("status-set", &[APPLICATION], status::set),
    tool("unit-get", &[FORMAT], network::unit_get),
];

const fn tool(
    name: &'static str,
    flags: &'static [Flag],
    run: fn(&mut Invocation<'_>) -> Answer,
) -> Tool {
    Tool {
        name,
        flags,
        unrestricted: false,
        run,
    }
}

impl JujuModel {
    /// Answers one call of a hook tool in a running hook.
    pub fn call(
        &mut self,
        hook: &mut HookContext,
        tool: &str,
        args: &[String],
        stdin: Option<&str>,
    ) -> ToolOutput {
        let fault = self
            .faults
            .get_mut(tool)
            .and_then(std::collections::VecDeque::pop_front);
        if let Some(fault) = fault {
            return fault.into();
        }
        match self.answer(hook, tool, args, stdin) {
            Ok(stdout) => ToolOutput {
                stdout,
                ..ToolOutput::default()
            },
            Err(refusal) => {
                let (code, text) = match refusal {
                    Refusal::Usage(text) => (2, text),
                    Refusal::Runtime(text) => (1, text),
                };
                ToolOutput {
                    code,
                    stdout: String::new(),
                    stderr: format!("ERROR {text}\n"),
                }
            }
        }
    }

    fn answer(
        &mut self,
        hook: &mut HookContext,
        name: &str,
        args: &[String],
        stdin: Option<&str>,
    ) -> Answer {
        let Some(tool) = TOOLS.iter().find(|tool| tool.name == name) else {
            return Err(Refusal::runtime(format!(
                "bad request: unknown command {name:?}"
            )));
        };
        if hook.event.is_restricted() && !tool.unrestricted {
            return Err(Refusal::runtime(
                "not implemented for restricted context not implemented",
            ));
        }
        let arguments = Arguments::parse(args, tool.flags)?;
        let mut invocation = Invocation {
            model: self,
            hook,
            arguments,
            stdin,
        };
        (tool.run)(&mut invocation)
    }
}

impl Refusal {
    fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    fn runtime(text: impl Into<String>) -> Self {
        Self::Runtime(text.into())
    }
}

impl Invocation<'_> {
    /// The calling unit; a hook's unit is there until its hook has ended, unless it was removed by force.
    fn unit(&self) -> Result<&Unit, Refusal> {
        self.model
            .unit(&self.hook.unit)
            .map_err(|_| Refusal::runtime(format!("unit {:?} not found", self.hook.unit)))
    }

    fn unit_mut(&mut self) -> Result<&mut Unit, Refusal> {
        let name = &self.hook.unit;
        self.model
            .units
            .get_mut(name)
            .ok_or_else(|| Refusal::runtime(format!("unit {name:?} not found")))
    }

    /// The relation meant by `-r`, else the hook's own: the unit must be in its scope.
    fn relation(&self) -> Result<&Relation, Refusal> {
        let Some(text) = self.arguments.value("r") else {
            return self
                .hook
                .event
                .relation()
                .and_then(|id| self.model.relations.get(&id))
                .ok_or_else(|| Refusal::usage("no relation id specified"));
        };
        let invalid = |reason: &str| {
            Refusal::usage(format!("invalid value {text:?} for option -r: {reason}"))
        };
        let number = text.rsplit_once(':').map_or(text, |(_, number)| number);
        let id: u32 = number.parse().map_err(|_| invalid("invalid relation id"))?;
        let known = self.unit()?.agent.relations.contains_key(&id);
        self.model
            .relations
            .get(&id)
            .filter(|_| known)
            .ok_or_else(|| invalid("relation not found"))
    }
}
