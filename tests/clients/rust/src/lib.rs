//! What a client needs beside the generated code: values as envelopes, digests, signatures.

use std::collections::{BTreeMap, HashMap};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

/// The client that `build.rs` made of `openapi.yaml`.
#[allow(clippy::all)]
pub mod registry {
    include!(concat!(env!("OUT_DIR"), "/registry.rs"));
}

use registry::types::{
    Envelope, EnvelopeEncoding, EnvelopeType, KeyEnvelope, KeyEnvelopeEncoding, KeyEnvelopeType,
    Meta,
};

/// A key as it travels in a body (REG-NAME-03).
pub fn key(key: &str) -> KeyEnvelope {
    KeyEnvelope {
        type_: KeyEnvelopeType::Json,
        data: text(&key).parse().expect("a key of 1 to 1,024 bytes"),
        encoding: KeyEnvelopeEncoding::Json,
    }
}

/// A value that serde_json can spell.
pub fn encode<T: Serialize>(value: &T) -> Envelope {
    Envelope {
        type_: EnvelopeType::Json,
        data: text(value),
        encoding: EnvelopeEncoding::Json,
        meta: None,
        signature: None,
    }
}

/// The value of a JSON envelope. Pickles are left to Python: they are no JSON.
pub fn decode<T: DeserializeOwned>(envelope: &Envelope) -> serde_json::Result<T> {
    serde_json::from_str(match envelope.type_ {
        EnvelopeType::Json => &envelope.data,
        EnvelopeType::Pickle => "",
    })
}

fn text<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("a value that JSON can spell")
}

/// Each field after its length in bytes, which takes 8 bytes, big-endian.
fn prefixed(fields: &[&[u8]]) -> Vec<u8> {
    let mut all = Vec::new();
    for field in fields {
        all.extend((field.len() as u64).to_be_bytes());
        all.extend(*field);
    }
    all
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// REG-ENV-05.
pub fn digest(envelope: &Envelope) -> String {
    let (kind, encoding) = (envelope.type_.to_string(), envelope.encoding.to_string());
    let fields = prefixed(&[
        kind.as_bytes(),
        encoding.as_bytes(),
        envelope.data.as_bytes(),
    ]);
    format!("sha256:{}", hex(&Sha256::digest(fields)))
}

fn meta_form(meta: Option<&Meta>) -> Vec<u8> {
    let Some(meta) = meta else { return Vec::new() };
    let sorted: BTreeMap<_, _> = meta.iter().collect();
    let mut form = (sorted.len() as u64).to_be_bytes().to_vec();
    for (name, text) in sorted {
        form.extend(prefixed(&[name.as_bytes(), text.as_bytes()]));
    }
    form
}

fn mac(secret: &[u8], message: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret)
        .expect("any length is a key")
        .chain_update(message)
}

/// Names a secret (docs/trust.md).
pub fn key_id(secret: &[u8]) -> String {
    hex(&mac(secret, b"namestead key id 1").finalize().into_bytes())[..16].to_owned()
}

fn signing(secret: &[u8], namespace: &str, key: &str, envelope: &Envelope) -> Hmac<Sha256> {
    let (kind, encoding) = (envelope.type_.to_string(), envelope.encoding.to_string());
    let input = prefixed(&[
        b"namestead envelope signature 1",
        key_id(secret).as_bytes(),
        b"hmac-sha256",
        namespace.as_bytes(),
        key.as_bytes(),
        kind.as_bytes(),
        encoding.as_bytes(),
        &Sha256::digest(meta_form(envelope.meta.as_ref())),
        &Sha256::digest(&envelope.data),
    ]);
    mac(secret, &input)
}

/// The signature of an envelope under a key of a namespace.
pub fn sign(secret: &[u8], namespace: &str, key: &str, envelope: &Envelope) -> String {
    let mac = signing(secret, namespace, key, envelope)
        .finalize()
        .into_bytes();
    format!("{}:{}", key_id(secret), STANDARD.encode(mac))
}

/// Whether one of the secrets, by id, signed the envelope.
pub fn verify(
    secrets: &HashMap<String, Vec<u8>>,
    namespace: &str,
    key: &str,
    envelope: &Envelope,
) -> bool {
    let Some((id, mac)) = envelope
        .signature
        .as_ref()
        .and_then(|text| text.split_once(':'))
    else {
        return false;
    };
    let Some(secret) = secrets.get(id) else {
        return false;
    };
    // Strict: STANDARD takes canonical base64 only.
    let Ok(mac) = STANDARD.decode(mac) else {
        return false;
    };
    signing(secret, namespace, key, envelope)
        .verify_slice(&mac)
        .is_ok()
}

/// The pickle of an importable object, in its only spelling (tests/vectors/references.json).
pub fn reference(module: &str, qualname: &str) -> Vec<u8> {
    const STACK_GLOBAL_MEMOIZE_STOP: &[u8] = &[0x93, 0x94, b'.'];
    let rest = [
        memoized(module),
        memoized(qualname),
        STACK_GLOBAL_MEMOIZE_STOP.to_vec(),
    ]
    .concat();
    let length = (rest.len() as u64).to_le_bytes();
    [&[0x80, 4, 0x95], length.as_slice(), &rest].concat()
}

fn memoized(text: &str) -> Vec<u8> {
    let size = match u8::try_from(text.len()) {
        Ok(short) => vec![0x8c, short],
        Err(_) => [b"X".as_slice(), &(text.len() as u32).to_le_bytes()].concat(),
    };
    [size.as_slice(), text.as_bytes(), &[0x94]].concat()
}
