//! Tests of which container engine there is.

use super::*;
use crate::config::layers::Origin;

fn endpoint(variables: &[(&str, &str)]) -> String {
    from_variables(variables).unwrap().settings.docker.endpoint
}

#[test]
fn the_engine_is_dockers_socket_or_what_a_variable_says() {
    let socket = ("DOCKER_SOCKET_PATH", "/run/a.sock");
    let host = ("DOCKER_HOST", "tcp://engine:2375");
    assert_eq!(endpoint(&[]), "unix:///var/run/docker.sock");
    assert_eq!(endpoint(&[socket]), "unix:///run/a.sock");
    assert_eq!(endpoint(&[host]), "tcp://engine:2375");
    let both = from_variables(&[host, socket]).unwrap();
    assert_eq!(both.settings.docker.endpoint, "unix:///run/a.sock");
    assert_eq!(
        warnings(&both),
        ["DOCKER_HOST: has no effect, because DOCKER_SOCKET_PATH is set to something else"]
    );
    let same = from_variables(&[("DOCKER_HOST", "unix:///run/a.sock"), socket]).unwrap();
    assert_eq!(warnings(&same), [""; 0]);
    let file = "docker: {endpoint: \"tcp://file:1\"}\n";
    let loaded = from_file(file, &[]).unwrap();
    assert_eq!(loaded.settings.docker.endpoint, "tcp://file:1");
    let over = from_file(file, &[host]).unwrap();
    assert_eq!(over.settings.docker.endpoint, "tcp://engine:2375");
}

#[test]
fn tls_is_set_as_for_the_docker_client() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("cert.pem"), "").unwrap();
    fs::write(folder.path().join("key.pem"), "").unwrap();
    let path = folder.path().to_str().unwrap();
    let certificates = ("DOCKER_CERT_PATH", path);
    let host = ("DOCKER_HOST", "tcp://engine:2376");
    let verify = ("DOCKER_TLS_VERIFY", "1");

    let loaded = from_variables(&[host, verify, certificates]).unwrap();
    let docker = &loaded.settings.docker;
    assert_eq!(docker.tls, Some(true));
    let file = |name: &str| Some(folder.path().join(name));
    assert_eq!(
        (&docker.ca_file, &docker.cert_file, &docker.key_file),
        (&file("ca.pem"), &file("cert.pem"), &file("key.pem"))
    );
    let origin = Origin::Variable("DOCKER_CERT_PATH".to_string());
    assert_eq!(loaded.origins.of("docker.key_file"), &origin);

    // The client needs both, and so does the agent: a folder alone means nothing.
    let without = from_variables(&[host, certificates]).unwrap().settings.docker;
    assert_eq!((without.tls, without.ca_file), (None, None));

    fs::create_dir(folder.path().join(".docker")).unwrap();
    fs::write(folder.path().join(".docker/ca.pem"), "").unwrap();
    let home = from_variables(&[host, verify, ("HOME", path)])
        .unwrap()
        .settings
        .docker;
    assert_eq!((home.tls, home.cert_file), (Some(true), None));
    assert_eq!(home.ca_file, file(".docker/ca.pem"));
}

#[test]
fn a_certificate_and_its_key_go_together() {
    assert_eq!(
        problems(from_file("docker: {cert_file: /c.pem}\n", &[])),
        ["docker.key_file: is required beside `cert_file`, and missing"]
    );
    assert_eq!(
        problems(from_file("docker: {key_file: /k.pem, endpiont: x}\n", &[])),
        [
            "docker.cert_file: is required beside `key_file`, and missing",
            "docker.endpiont: unknown key; known here: endpoint, ca_file, cert_file, key_file, tls \
             [tawny.yaml:1] (did you mean `endpoint`?)",
        ]
    );
}

#[test]
fn the_machines_name_is_the_hosts_unless_it_is_set() {
    let host = ("HOST", "edge-1");
    let loaded = from_variables(&[host]).unwrap();
    assert_eq!(loaded.settings.machine, "edge-1");
    assert_eq!(loaded.origins.of("machine"), &Origin::Found("as `host`"));
    let set = from_variables(&[host, ("MACHINE_NAME", "press-7")]).unwrap();
    assert_eq!(set.settings.machine, "press-7");
    let file = from_file("machine: press-8\n", &[host]).unwrap();
    assert_eq!(file.settings.machine, "press-8");
}

#[test]
fn an_address_that_cannot_be_used_is_an_error_for_those_who_ask_for_containers() {
    let ssh = ("DOCKER_HOST", "ssh://me@engine");
    let client = from_variables(&[ssh]).unwrap();
    assert!(
        warnings(&client)[0].starts_with("DOCKER_HOST: `ssh://***@engine` is no address of an engine"),
        "{:?}",
        warnings(&client)
    );
    assert_eq!(names(&client.settings.collectors), ["host"]);
    for asked in [("COLLECTOR_PLUGINS", r#"["docker"]"#), ("LOGS_DIR", "/logs")] {
        let problems = problems(from_variables(&[ssh, asked]));
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("DOCKER_HOST: "), "{problems:?}");
    }
    let relative = problems(from_variables(&[("DOCKER_SOCKET_PATH", "docker.sock")]));
    assert!(relative[0].starts_with("DOCKER_SOCKET_PATH: "), "{relative:?}");
}
