//! What hooks wait for, and what they never tell.

use super::*;

#[test]
fn hooks_that_mean_nothing_here_succeed_in_silence() {
    let Some(site) = Site::start_or_skip("hooks_that_mean_nothing_here_succeed_in_silence") else {
        return;
    };
    site.rest();
    for hook in [
        "collect-metrics",
        "meter-status-changed",
        "leader-settings-changed",
    ] {
        let context = site
            .driver
            .begin_only("calico/1", hook)
            .expect("a hook of Juju's");
        let calls = site.driver.calls().len();
        let output = site
            .driver
            .command(env!("CARGO_BIN_EXE_calico-charm").as_ref(), &context)
            .args(["hook", hook])
            .output()
            .expect("the binary");
        site.driver
            .end(context.id(), true)
            .expect("nothing was buffered");
        assert_eq!(output.status.code(), Some(0), "{hook}");
        assert_eq!((output.stdout.len(), output.stderr.len()), (0, 0), "{hook}");
        assert_eq!(site.driver.calls().len(), calls, "{hook}");
    }
}

#[test]
fn hooks_wait_for_what_is_not_there_yet() {
    let Some(site) = Site::start_or_skip("hooks_wait_for_what_is_not_there_yet") else {
        return;
    };
    fs::remove_file(site.driver.kubeconfig_path()).expect("a link of the driver's");
    site.cluster.delete("/api/v1/nodes/node-1");
    site.configure(&[("cidr", "10.1.0.0/16")]);
    site.settle();
    for unit in UNITS {
        assert_eq!(site.status(unit), "waiting: Waiting for Kubernetes config.");
    }
    let cni = site
        .driver
        .model(|model| model.relation(5).expect("cni of the workers").clone());
    assert_eq!(
        cni.unit_settings("calico/1").expect("a unit of it")["cidr"],
        "10.1.0.0/16"
    );
    site.driver.use_kubeconfig(&site.cluster.kubeconfig);
    for unit in UNITS {
        site.run(unit, "update-status");
    }
    assert_eq!(site.status("calico/0"), "active: Ready");
    assert_eq!(
        site.status("calico/1"),
        "waiting: Waiting for a Node called node-1 with an address of this machine"
    );
    site.add_node(1);
    site.run("calico/1", "update-status");
    ready(&site);
}

/// A kubeconfig as the control plane's, with another server or another token.
fn kubeconfig(site: &Site, server: Option<String>, token: &str) -> std::path::PathBuf {
    let text = fs::read_to_string(&site.cluster.kubeconfig).expect("its kubeconfig");
    let mut config: Value = serde_json::from_str(&text).expect("JSON");
    if let Some(server) = server {
        config["clusters"][0]["cluster"]["server"] = server.into();
    }
    config["users"][0]["user"]["token"] = token.into();
    let path = site.driver.kubeconfig_path().with_extension("other");
    fs::write(&path, config.to_string()).expect("the folder is ours");
    path
}

#[test]
fn hooks_wait_for_an_api_that_does_not_answer_and_end_in_time() {
    let Some(site) =
        Site::start_or_skip("hooks_wait_for_an_api_that_does_not_answer_and_end_in_time")
    else {
        return;
    };
    site.rest();
    let before = site.state();
    let address = |listener: &TcpListener| {
        let port = listener.local_addr().expect("it is bound").port();
        format!("https://127.0.0.1:{port}")
    };
    let refused = {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        address(&listener)
    };
    let silent = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    for (server, longest, hook) in [
        (refused.clone(), 5, "config-changed"),
        (refused, 5, "update-status"),
        (address(&silent), 20, "update-status"),
    ] {
        site.driver
            .use_kubeconfig(&kubeconfig(&site, Some(server), "none"));
        let started = Instant::now();
        site.run("calico/0", hook);
        let took = started.elapsed();
        assert!(took < Duration::from_secs(longest), "{took:?}");
        let status = site.status("calico/0");
        assert!(
            status.starts_with("waiting: Waiting for Kubernetes API"),
            "{status}"
        );
    }
    site.driver.use_kubeconfig(&site.cluster.kubeconfig);
    site.run("calico/0", "update-status");
    site.assert_untouched_since(&before);
    ready(&site);
}

/// Hooks until a refused token has to be seen as such.
const HOOKS: usize = 5;

#[test]
fn the_token_is_shown_nowhere() {
    let Some(site) = Site::start_or_skip("the_token_is_shown_nowhere") else {
        return;
    };
    let text = fs::read_to_string(&site.cluster.kubeconfig).expect("its kubeconfig");
    let config: Value = serde_json::from_str(&text).expect("JSON");
    let token = config["users"][0]["user"]["token"]
        .as_str()
        .expect("a token")
        .to_owned();
    site.configure(RACKS);
    let mut runs = site.rest();
    let wrong = "a-token-that-nobody-knows";
    site.driver.use_kubeconfig(&kubeconfig(&site, None, wrong));
    // An API server that refuses a token over HTTP/2 closes the connection with it, and of requests side by side one may hear of
    // that alone: a later hook has the answer.
    for _ in 0..HOOKS {
        runs.push(site.run("calico/0", "update-status"));
        if site.status("calico/0").starts_with("blocked: ") {
            break;
        }
    }
    assert!(
        site.status("calico/0").starts_with("blocked: "),
        "{}",
        site.status("calico/0")
    );
    site.driver.use_kubeconfig(&kubeconfig(
        &site,
        Some("https://127.0.0.1:1".to_owned()),
        wrong,
    ));
    runs.push(site.run("calico/0", "update-status"));
    let broken = site.driver.kubeconfig_path().with_extension("broken");
    fs::write(&broken, text.replace("\"users\":[", "\"users\":[{")).expect("the folder is ours");
    site.driver.use_kubeconfig(&broken);
    runs.push(site.run("calico/0", "update-status"));
    assert!(
        site.status("calico/0").starts_with("waiting: "),
        "{}",
        site.status("calico/0")
    );
    let state = site
        .driver
        .model(|model| serde_json::to_string(model).expect("a model"));
    let mut told = vec![state];
    for run in &runs {
        told.extend([
            run.stdout.clone(),
            run.stderr.clone(),
            run.debug_log(),
            format!("{:?}", run.calls),
        ]);
    }
    for secret in [token.as_str(), wrong] {
        let leak = told.iter().find(|text| text.contains(secret));
        assert_eq!(leak, None);
    }
}
