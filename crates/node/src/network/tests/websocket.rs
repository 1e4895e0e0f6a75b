use std::time::Duration;

use fernamt_sip::transport::Transport;
use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::double::{Options, Seen, TestNetwork, request};

async fn open<S>(stream: S, path: &str, protocol: Option<&str>) -> Result<WebSocketStream<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut request = format!("ws://localhost{path}")
        .into_client_request()
        .unwrap();
    if let Some(protocol) = protocol {
        let value = HeaderValue::from_str(protocol).unwrap();
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, value);
    }
    client_async(request, stream)
        .await
        .map(|(socket, _)| socket)
}

async fn tcp(network: &TestNetwork, transport: Transport) -> TcpStream {
    TcpStream::connect(network.address(transport))
        .await
        .unwrap()
}

#[test]
fn text_and_binary_messages_are_answered() {
    let network = TestNetwork::start(Options::loopback());
    network.runtime.block_on(async {
        let stream = tcp(&network, Transport::Ws).await;
        let mut socket = open(stream, "/sip", Some("sip")).await.unwrap();
        for message in [
            Message::text(request("")),
            Message::binary(request("").into_bytes()),
        ] {
            socket.send(message).await.unwrap();
            let answer = socket.next().await.unwrap().unwrap().into_text().unwrap();
            assert!(
                answer.starts_with("SIP/2.0 200 0 WS 127.0.0.1:"),
                "{answer}"
            );
        }
    });
}

#[test]
fn a_secure_websocket_is_answered() {
    let network = TestNetwork::start(Options::loopback());
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(network.certificate()).unwrap())
        .unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    network.runtime.block_on(async {
        let stream = tcp(&network, Transport::Wss).await;
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(std::sync::Arc::new(config))
            .connect(name, stream)
            .await;
        let mut socket = open(stream.unwrap(), "/", Some("sip")).await.unwrap();
        socket.send(Message::text(request(""))).await.unwrap();
        let answer = socket.next().await.unwrap().unwrap().into_text().unwrap();
        assert!(
            answer.starts_with("SIP/2.0 200 0 WSS 127.0.0.1:"),
            "{answer}"
        );
    });
}

#[test]
fn without_the_sub_protocol_sip_there_is_no_websocket() {
    let network = TestNetwork::start(Options::loopback());
    network.runtime.block_on(async {
        for (path, protocol, status) in [
            ("/", None, 400),
            ("/", Some("xmpp"), 400),
            ("/other", Some("sip"), 404),
        ] {
            let stream = tcp(&network, Transport::Ws).await;
            let Err(Error::Http(response)) = open(stream, path, protocol).await else {
                panic!("accepted {path} {protocol:?}");
            };
            assert_eq!(response.status().as_u16(), status);
        }
        let stream = tcp(&network, Transport::Ws).await;
        assert!(open(stream, "/sip", Some("msrp, sip")).await.is_ok());
    });
}

#[test]
fn pings_of_both_kinds_are_answered() {
    let network = TestNetwork::start(Options::loopback());
    network.runtime.block_on(async {
        let stream = tcp(&network, Transport::Ws).await;
        let mut socket = open(stream, "/sip", Some("sip")).await.unwrap();
        socket.send(Message::Ping("x".into())).await.unwrap();
        assert_eq!(
            socket.next().await.unwrap().unwrap(),
            Message::Pong("x".into())
        );
        socket.send(Message::text("\r\n\r\n")).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("\r\n"));
    });
}

#[test]
fn one_byte_more_than_a_message_may_have_closes_the_websocket() {
    let network = TestNetwork::start(Options::loopback());
    network.runtime.block_on(async {
        let stream = tcp(&network, Transport::Ws).await;
        let mut socket = open(stream, "/sip", Some("sip")).await.unwrap();
        socket
            .send(Message::text("x".repeat(65_535)))
            .await
            .unwrap();
        assert!(socket.next().await.unwrap().is_ok());
        let _ = socket.send(Message::text("x".repeat(65_536))).await;
        let answer = tokio::time::timeout(Duration::from_secs(10), socket.next())
            .await
            .unwrap();
        assert!(!matches!(answer, Some(Ok(Message::Text(_)))), "{answer:?}");
    });
    assert!(matches!(network.next(), Seen::Message { .. }));
    assert!(matches!(network.next(), Seen::Closed(..)));
}
