//! The network namespaces that tests use: connections lead in and out, and nothing else does.

use std::net::TcpStream;

use crate::support::http;
use crate::support::intake::Intake;
use crate::support::namespace::Namespace;
use crate::support::services::skip;

#[test]
fn a_port_leads_out_of_a_namespace_and_another_back_in() {
    let namespace = match Namespace::create() {
        Ok(namespace) => namespace,
        Err(reason) => return skip(&reason),
    };
    let intake = Intake::start();
    let out = namespace.lead_out(0, intake.url().trim_start_matches("http://"));
    let back = namespace.lead_in(0, &out.address());
    let answer = http::get(&format!("http://{}/api/v1/validate", back.address()), &[]);
    assert!(answer.is_ok(), "{answer:?}");

    assert!(
        TcpStream::connect(out.address()).is_err(),
        "the port is the namespace's only"
    );
    let (address, path) = (back.address(), namespace.path());
    drop((out, back, namespace));
    assert!(TcpStream::connect(address).is_err(), "the way is closed");
    assert!(!path.exists());
}
