//! From a kubeconfig file to a client with deadlines. Performs IO.

use std::path::Path;
use std::time::Duration;

use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ConfigExt};
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use tower::{BoxError, ServiceBuilder};

/// How long the TCP connection to the API server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no client. No variant carries the file's content or a parser's message, which quotes it: it holds the
/// cluster's admin token.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The file is missing or is no kubeconfig.
    #[error("cannot use the kubeconfig {path}")]
    Kubeconfig {
        /// The file that was read.
        path: String,
        /// What is wrong with it.
        source: Box<KubeconfigError>,
    },
    /// The file is no YAML of a kubeconfig. Without a source: the parser's error quotes the file.
    #[error("cannot use the kubeconfig {path}: it is no YAML, or not a kubeconfig's")]
    Unreadable {
        /// The file that was read.
        path: String,
    },
    /// Its certificates or credentials cannot be used. Without a source: it may quote them.
    #[error("cannot use the certificates or credentials of the kubeconfig {path}")]
    Credentials {
        /// The file that was read.
        path: String,
    },
}

/// Builds a client from the kubeconfig at `path`.
///
/// Proxies are never used: Juju's proxy settings are for fetching packages, and API traffic must not go to them
/// (`JUJU_CHARM_HTTP_PROXY`, legacy `http_proxy`). `TCP_NODELAY` is set because kube's own connector leaves it off,
/// which costs a delayed acknowledgement (40 ms) whenever requests run side by side.
///
/// # Errors
/// When the file cannot be read, is no kubeconfig, or its credentials cannot be used.
pub async fn connect(path: &Path) -> Result<Client, ConnectError> {
    let shown = || path.display().to_string();
    let kubeconfig = |source| match source {
        KubeconfigError::Parse(_) => ConnectError::Unreadable { path: shown() },
        source => ConnectError::Kubeconfig {
            path: shown(),
            source: Box::new(source),
        },
    };
    let file = Kubeconfig::read_from(path).map_err(kubeconfig)?;
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .map_err(kubeconfig)?;
    config.proxy_url = None;
    client(&config).ok_or_else(|| ConnectError::Credentials { path: shown() })
}

/// None when certificates or credentials cannot be used.
fn client(config: &Config) -> Option<Client> {
    let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .build::<_, Body>(connector(config)?);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer().ok()?)
        .map_err(BoxError::from)
        .service(http);
    Some(Client::new(service, config.default_namespace.clone()))
}

/// What kube's connector does, and HTTP/2 beside it: requests that run side by side then share one connection, and
/// its one TLS handshake. A server or a load balancer without HTTP/2 is asked in HTTP/1.1 (RFC 7301, ALPN).
fn connector(config: &Config) -> Option<HttpsConnector<HttpConnector>> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let mut builder = HttpsConnectorBuilder::new()
        .with_tls_config(config.rustls_client_config().ok()?)
        .https_or_http();
    if let Some(name) = config.tls_server_name.clone() {
        builder =
            builder.with_server_name_resolver(FixedServerNameResolver::new(name.try_into().ok()?));
    }
    Some(builder.enable_all_versions().wrap_connector(tcp))
}
