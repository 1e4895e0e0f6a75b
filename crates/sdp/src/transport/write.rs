//! The lines of a transport: which ones belong to it, and how our own are written.

use core::fmt::Arguments;

use super::TransportDescription;
use crate::attribute::Attribute;
use crate::extmap::MID_URI;
use crate::ice::IceOptions;

/// Whether an attribute says how media are transported, so that it ends with the transport of the
/// one who wrote it. Capability negotiation (RFC 5939) is in it: it offers other transports, keys
/// and all. So is an identity assertion (RFC 8827): it is about a certificate.
pub(crate) fn is_transport(attribute: &Attribute<'_>) -> bool {
    attribute.is_ice()
        || attribute.is_bundle()
        || attribute.is_security()
        || matches!(
            attribute.name,
            "rtcp" | "rtcp-mux" | "rtcp-mux-only" | "rtcp-rsize" | "mid"
        )
        || matches!(
            attribute.name,
            "tcap" | "acap" | "pcfg" | "acfg" | "csup" | "creq" | "identity"
        )
}

/// Whether an attribute names sources or header extensions, which only browsers and their like
/// understand.
pub(crate) fn is_of_browsers(attribute: &Attribute<'_>) -> bool {
    matches!(
        attribute.name,
        "ssrc"
            | "ssrc-group"
            | "msid"
            | "msid-semantic"
            | "extmap"
            | "extmap-allow-mixed"
            | "rid"
            | "simulcast"
    )
}

/// Puts the attributes of one section. One that is rejected has its name and nothing else.
pub(crate) fn put_section(
    own: &TransportDescription,
    rejected: bool,
    put: &mut dyn FnMut(Arguments<'_>),
) {
    if let Some(mid) = &own.mid {
        put(format_args!("mid:{mid}"));
    }
    if rejected {
        return;
    }
    if let Some(id) = own.mid_extension {
        put(format_args!("extmap:{id} {MID_URI}"));
    }
    put_rtcp(own, put);
    put_ice(own, put);
    for crypto in &own.cryptos {
        put(format_args!("crypto:{}", crypto.exposed()));
    }
    for fingerprint in &own.fingerprints {
        put(format_args!("fingerprint:{fingerprint}"));
    }
    if let Some(setup) = own.setup {
        put(format_args!("setup:{setup}"));
    }
    if let Some(tls_id) = &own.tls_id {
        put(format_args!("tls-id:{tls_id}"));
    }
    if own.bundle.is_some_and(|bundle| bundle.only) {
        put(format_args!("bundle-only"));
    }
}

fn put_rtcp(own: &TransportDescription, put: &mut dyn FnMut(Arguments<'_>)) {
    if let Some(rtcp) = own.rtcp {
        let version = if rtcp.is_ipv4() { 4 } else { 6 };
        let (port, ip) = (rtcp.port(), rtcp.ip());
        put(format_args!("rtcp:{port} IN IP{version} {ip}"));
    }
    if own.rtcp_mux {
        put(format_args!("rtcp-mux"));
    }
    if own.rtcp_mux_only {
        put(format_args!("rtcp-mux-only"));
    }
    if own.rtcp_reduced_size {
        put(format_args!("rtcp-rsize"));
    }
}

fn put_ice(own: &TransportDescription, put: &mut dyn FnMut(Arguments<'_>)) {
    let Some(ice) = &own.ice else { return };
    put(format_args!("ice-ufrag:{}", ice.credentials.ufrag()));
    put(format_args!("ice-pwd:{}", ice.credentials.password()));
    for candidate in &ice.candidates {
        put(format_args!("candidate:{candidate}"));
    }
    for chosen in &ice.remote_candidates {
        let (ip, port) = (chosen.address.ip(), chosen.address.port());
        put(format_args!(
            "remote-candidates:{} {ip} {port}",
            chosen.component
        ));
    }
    if ice.end_of_candidates {
        put(format_args!("end-of-candidates"));
    }
    if ice.mismatch {
        put(format_args!("ice-mismatch"));
    }
}

/// Puts what the session says for the transports of all its sections. A section without a transport
/// of ours is `None`, and so is one that is rejected.
pub(crate) fn put_session(
    sections: &[Option<&TransportDescription>],
    put: &mut dyn FnMut(Arguments<'_>),
) {
    let all = || sections.iter().flatten();
    let ice = || all().filter_map(|own| own.ice.as_ref());
    for (place, tagged) in sections.iter().enumerate() {
        if tagged.is_some_and(|own| own.bundle.is_some_and(|bundle| bundle.tagged == place)) {
            put_bundle(sections, place, put);
        }
    }
    if ice().any(|ice| ice.lite) {
        put(format_args!("ice-lite"));
    }
    let options = ice().fold(IceOptions::default(), |all, ice| all.or(ice.options));
    if !options.is_empty() {
        put(format_args!("ice-options:{options}"));
    }
}

/// The group of all sections that share the transport of the one in place `tagged`, which comes
/// first.
fn put_bundle(
    sections: &[Option<&TransportDescription>],
    tagged: usize,
    put: &mut dyn FnMut(Arguments<'_>),
) {
    let mut line = String::from("group:BUNDLE");
    let first = core::iter::once(tagged);
    let others = (0..sections.len()).filter(|place| *place != tagged);
    for place in first.chain(others) {
        let own = sections.get(place).copied().flatten();
        let member = own.filter(|own| own.bundle.is_some_and(|bundle| bundle.tagged == tagged));
        if let Some(mid) = member.and_then(|own| own.mid.as_deref()) {
            line.extend([" ", mid]);
        }
    }
    put(format_args!("{line}"));
}
