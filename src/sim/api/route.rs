//! From a request to its answer.

use std::sync::Arc;

use serde_json::{Value, json};

use super::fault::{Preconditions, RequestRecord};
use super::read::{self, Form};
use super::request::{APPLY_PATCH, Address, DeleteOptions, MERGE_PATCH, Options, Target, Verb};
use super::resource::{Origin, Resource};
use super::status_error::StatusError;
use super::validate::Checks;
use super::write::{Deleted, Write};
use super::{State, discovery, kubernetes};

/// A request as it came in.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) verb: Verb,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) accept: String,
    pub(super) content_type: String,
    pub(super) user_agent: String,
    pub(super) body: Vec<u8>,
}

impl Incoming {
    /// What a method does at a path.
    pub(super) fn verb_of(method: &str, path: &str, content_type: &str) -> Verb {
        let target = Target::of_path(path);
        match (method, &target) {
            ("GET", Target::Objects(address)) if address.name.is_empty() => Verb::List,
            ("GET", Target::Objects(_)) => Verb::Get,
            ("GET", _) => Verb::Discover,
            ("POST", Target::Objects(_)) => Verb::Create,
            ("PUT", Target::Objects(_)) => Verb::Update,
            ("PATCH", Target::Objects(_)) if media_type(content_type) == APPLY_PATCH => Verb::Apply,
            ("PATCH", Target::Objects(_)) => Verb::Patch,
            ("DELETE", Target::Objects(_)) => Verb::Delete,
            _ => Verb::Other,
        }
    }

    /// Whether nothing of it is meant to last.
    pub(super) fn is_dry_run(&self) -> bool {
        let Ok(options) = Options::of_query(&self.query, self.verb) else {
            return false;
        };
        match self.verb {
            Verb::Delete => {
                DeleteOptions::of_body(&self.body, &options).is_ok_and(|delete| delete.dry_run)
            }
            _ => options.dry_run,
        }
    }

    /// What it says of the object that it deletes.
    pub(super) fn preconditions(&self) -> Preconditions {
        if self.verb != Verb::Delete {
            return Preconditions::default();
        }
        let delete = DeleteOptions::of_body(&self.body, &Options::default()).unwrap_or_default();
        Preconditions {
            uid: delete.uid.is_some(),
            resource_version: delete.resource_version.is_some(),
        }
    }

    /// [`manager`](Self::manager) of a request on its own.
    pub(super) fn written_by(&self) -> String {
        Options::of_query(&self.query, self.verb).map_or_else(
            |_| String::new(),
            |options| self.manager(&options).to_owned(),
        )
    }

    /// The field manager: as given, else the first word of the user agent (`managerOrUserAgent`).
    fn manager<'i>(&'i self, options: &'i Options) -> &'i str {
        if options.field_manager.is_empty() {
            self.user_agent.split('/').next().unwrap_or_default()
        } else {
            &options.field_manager
        }
    }
}

fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
    pub(super) warnings: Vec<String>,
    pub(super) retry_after: Option<u64>,
}

impl Reply {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        let body = body.to_string().into_bytes();
        Self {
            status,
            content_type: "application/json",
            body,
            warnings: Vec::new(),
            retry_after: None,
        }
    }

    fn text(status: u16, text: &str) -> Self {
        let body = text.as_bytes().to_vec();
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body,
            warnings: Vec::new(),
            retry_after: None,
        }
    }

    pub(super) fn refusal(error: &StatusError) -> Self {
        Self {
            retry_after: error.retry_after(),
            ..Self::json(error.code, &error.body())
        }
    }
}

/// What the server says where it serves nothing at all.
const NOWHERE: &str = "404 page not found\n";

impl State {
    /// Carries out a request.
    pub(super) fn reply(&mut self, incoming: &Incoming) -> Reply {
        let found = |body: Option<Value>| {
            body.map_or_else(|| Reply::text(404, NOWHERE), |body| Reply::json(200, &body))
        };
        match Target::of_path(&incoming.path) {
            Target::Objects(address) => self.objects_reply(incoming, &address),
            _ if incoming.verb == Verb::Other => Reply::refusal(&StatusError::method_not_allowed()),
            Target::Version => Reply::json(200, &discovery::version()),
            Target::Health => Reply::text(200, "ok"),
            Target::CoreVersions => Reply::json(200, &discovery::core_versions()),
            Target::Groups => Reply::json(200, &discovery::groups(&self.catalog)),
            Target::Group(name) => found(discovery::group(&self.catalog, &name)),
            Target::Resources { group, version } if self.is_out(&group, &version) => unavailable(),
            Target::Resources { group, version } => {
                found(discovery::resources(&self.catalog, &group, &version))
            }
            Target::Nothing => Reply::text(404, NOWHERE),
        }
    }

    /// Whether this group version is Calico's own server's, and that does not answer.
    fn is_out(&self, group: &str, version: &str) -> bool {
        !self.aggregated_available
            && self.catalog.iter().any(|resource| {
                resource.origin == Origin::Aggregated
                    && resource.group == group
                    && resource.version == version
            })
    }

    fn objects_reply(&mut self, incoming: &Incoming, address: &Address) -> Reply {
        if self.is_out(&address.group, &address.version) {
            return unavailable();
        }
        let Some(resource) = self
            .catalog
            .find(&address.group, &address.version, &address.plural)
            .cloned()
        else {
            let built_in = self
                .catalog
                .iter()
                .any(|other| other.group == address.group && other.origin == Origin::BuiltIn);
            let message = "the server could not find the requested resource";
            return if built_in {
                let mut body = StatusError::new(404, "NotFound", message).body();
                body["details"] = json!({});
                Reply::json(404, &body)
            } else {
                Reply::text(404, NOWHERE)
            };
        };
        if address.subresource == "eviction"
            && resource.plural == "pods"
            && incoming.verb == Verb::Create
        {
            return self
                .evict(incoming, address, &resource)
                .unwrap_or_else(|error| Reply::refusal(&error));
        }
        if !address.subresource.is_empty() {
            return Reply::text(404, NOWHERE);
        }
        self.carry_out(incoming, address, &resource)
            .unwrap_or_else(|error| Reply::refusal(&error))
    }

    fn carry_out(
        &mut self,
        incoming: &Incoming,
        address: &Address,
        resource: &Arc<Resource>,
    ) -> Result<Reply, StatusError> {
        let options = Options::of_query(&incoming.query, incoming.verb)?;
        let (namespace, name) = (address.namespace.as_str(), address.name.as_str());
        if incoming.verb == Verb::List && !options.watch {
            let list = read::list(
                &mut self.store,
                resource,
                namespace,
                &options,
                &incoming.accept,
            )?;
            return Ok(Reply::json(200, &list));
        }
        let form = Form::of_accept(&incoming.accept, false)?;
        match incoming.verb {
            Verb::Get => {
                let stored = self.store.find(resource, namespace, name);
                let stored = stored.ok_or_else(|| StatusError::not_found(resource, name))?;
                Ok(Reply::json(200, &form.of(resource, &stored)))
            }
            Verb::Delete if !name.is_empty() => {
                let delete = DeleteOptions::of_body(&incoming.body, &options)?;
                let mut write = self.write(incoming, address, resource, &options);
                Ok(match write.delete(name, &delete)? {
                    Deleted::Held(stored) => Reply::json(200, &form.of(resource, &stored)),
                    Deleted::Gone { uid, stored } => {
                        if !delete.dry_run {
                            self.follow_removal(resource, &stored);
                        }
                        if resource.origin == Origin::BuiltIn
                            && kubernetes::shows_what_it_deleted(&resource.kind)
                        {
                            return Ok(Reply::json(200, &form.of(resource, &stored)));
                        }
                        Reply::json(200, &success(resource, name, &uid))
                    }
                })
            }
            Verb::Create | Verb::Update | Verb::Apply | Verb::Patch => {
                if name.is_empty() != (incoming.verb == Verb::Create) {
                    return Err(StatusError::method_not_allowed());
                }
                Ok(self.change(incoming, address, resource, &options, form))
            }
            _ => Err(StatusError::method_not_allowed()),
        }
    }

    pub(super) fn write<'w>(
        &'w mut self,
        incoming: &'w Incoming,
        address: &'w Address,
        resource: &'w Resource,
        options: &'w Options,
    ) -> Write<'w> {
        Write {
            store: &mut self.store,
            resource,
            namespace: &address.namespace,
            options,
            manager: incoming.manager(options),
            checks: Some(Checks { int32: self.int32 }),
            warnings: Vec::new(),
        }
    }

    fn change(
        &mut self,
        incoming: &Incoming,
        address: &Address,
        resource: &Resource,
        options: &Options,
        form: Form,
    ) -> Reply {
        let (name, body) = (address.name.as_str(), incoming.body.as_slice());
        let mut write = self.write(incoming, address, resource, options);
        let outcome = match (incoming.verb, media_type(&incoming.content_type)) {
            (Verb::Create, _) => write.create(body),
            (Verb::Update, _) => write.replace(name, body),
            (Verb::Apply, _) => write.apply(name, body),
            (_, MERGE_PATCH) => write.merge_patch(name, body),
            _ => Err(StatusError::unsupported_media_type(
                &[MERGE_PATCH, APPLY_PATCH].join(", "),
            )),
        };
        let warnings = std::mem::take(&mut write.warnings);
        let reply = match outcome {
            Ok(outcome) => {
                if !options.dry_run {
                    self.follow(resource, &outcome.stored);
                }
                let status = if outcome.created { 201 } else { 200 };
                Reply::json(status, &form.of(resource, &outcome.stored))
            }
            Err(error) => Reply::refusal(&error),
        };
        Reply { warnings, ..reply }
    }

    /// Keeps a request that was answered with this status.
    pub(super) fn record(&mut self, mut record: RequestRecord, status: u16) {
        record.status = status;
        self.writes += usize::from(record.writes());
        self.requests.push(record);
    }
}

/// How the API server answers for an extension server that does not.
fn unavailable() -> Reply {
    Reply::text(503, "service unavailable\n")
}

/// The `Status` of a delete that is done; its `kind` is the resource's name.
fn success(resource: &Resource, name: &str, uid: &str) -> Value {
    let mut details = json!({"name": name, "kind": resource.plural, "uid": uid});
    if !resource.group.is_empty() {
        details["group"] = (*resource.group).into();
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}
