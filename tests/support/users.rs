//! Who may ask a control plane of the tests, and with what.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use k8s_openapi::ByteString;
use serde_json::json;

/// The user without any permission, for tests of RBAC; the groups are those of every authenticated user.
pub const ORDINARY_USER: &str = "ordinary";

/// The administrator whose requests are recorded, so that those of hooks can be told from those of controllers and tests.
pub const RECORDED_USER: &str = "recorded";

/// A secret for each user.
pub struct Tokens {
    pub admin: String,
    pub ordinary: String,
    pub recorded: String,
}

impl Tokens {
    /// New ones.
    pub fn random() -> Result<Self, String> {
        let mut bytes = [0; 48];
        File::open("/dev/urandom")
            .and_then(|mut source| source.read_exact(&mut bytes))
            .map_err(|error| format!("/dev/urandom: {error}"))?;
        let mut texts = bytes.chunks_exact(16).map(|token| {
            let token = token.try_into().expect("16 bytes a chunk");
            format!("{:032x}", u128::from_be_bytes(token))
        });
        let mut text = || texts.next().expect("three times 16 bytes");
        Ok(Self {
            admin: text(),
            ordinary: text(),
            recorded: text(),
        })
    }

    /// The file of a control plane that names the users; columns: token, user, user id, groups.
    pub fn write(&self, folder: &Path) -> Result<(), String> {
        let Self {
            admin,
            ordinary,
            recorded,
        } = self;
        let text = format!(
            "{admin},admin,admin,system:masters\n{ordinary},{ORDINARY_USER},{ORDINARY_USER},\n\
             {recorded},{RECORDED_USER},{RECORDED_USER},system:masters\n"
        );
        write_private(&folder.join("tokens.csv"), &text)
    }
}

/// A kubeconfig for one user.
pub fn kubeconfig(url: &str, certificate: &[u8], token: &str) -> String {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
        "clusters": [{ "name": "test", "cluster": {
            "server": url,
            "certificate-authority-data": ByteString(certificate.to_vec()),
        }}],
        "users": [{ "name": "test", "user": { "token": token } }],
    })
    .to_string()
}

/// Writes a file that only its owner may read.
pub fn write_private(path: &Path, text: &str) -> Result<(), String> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let file = options.open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}
