//! Known answers, which hold in every language.

#[allow(dead_code)]
mod support;

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use clients::registry::types::Envelope;
use clients::{decode, digest, key, key_id, reference, verify};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use support::{connect, namespace, read_json, url};

#[derive(Deserialize)]
struct Vector {
    description: String,
    envelope: Value,
    digest: Option<String>,
    value: Option<Value>,
    namespace: Option<String>,
    key: Option<String>,
    signature: Option<String>,
}

impl Vector {
    fn envelope(&self) -> Envelope {
        serde_json::from_value(self.envelope.clone()).expect(&self.description)
    }

    fn verifies(&self, secrets: &HashMap<String, Vec<u8>>) -> bool {
        let mut envelope = self.envelope();
        if let Some(signature) = &self.signature {
            envelope.signature = Some(signature.parse().unwrap());
        }
        verify(
            secrets,
            self.namespace.as_deref().unwrap(),
            self.key.as_deref().unwrap(),
            &envelope,
        )
    }
}

#[derive(Deserialize)]
struct Envelopes {
    valid: Vec<Vector>,
    malformed: Vec<Malformed>,
}

/// Kept as it is spelled: a lone surrogate, say, is no text of this language.
#[derive(Deserialize)]
struct Malformed {
    description: String,
    envelope: Box<RawValue>,
}

#[tokio::test]
async fn digests_are_those_of_the_vectors() {
    let client = connect();
    for vector in read_json::<Envelopes>("../../vectors/envelopes.json").valid {
        let wanted = vector.digest.as_deref().unwrap();
        let value = vector.envelope();
        assert_eq!(digest(&value), wanted, "{}", vector.description);
        if let Some(spelled) = &vector.value {
            assert_eq!(
                decode::<Value>(&value).unwrap(),
                *spelled,
                "{}",
                vector.description
            );
        }
        let body = clients::registry::types::SetEntryRequest {
            key: key(&vector.description),
            value,
        };
        let answer = client
            .set_entry(&namespace("vectors"), None, None, &body)
            .await
            .unwrap();
        assert_eq!(*answer.digest, wanted, "{}", vector.description);
    }
}

/// Sent without the generated types, most of which cannot hold what is malformed.
#[tokio::test]
async fn malformed_envelopes_are_refused() {
    let set = format!("{}/registry/clients.rust.vectors/set", url());
    for vector in read_json::<Envelopes>("../../vectors/envelopes.json").malformed {
        let body = format!(
            "{{\"key\": {}, \"value\": {}}}",
            json!(key("k")),
            vector.envelope
        );
        let request = reqwest::Client::new()
            .post(&set)
            .header("Content-Type", "application/json")
            .body(body);
        let answer = request.send().await.unwrap();
        assert!(
            [400, 422].contains(&answer.status().as_u16()),
            "{}: {answer:?}",
            vector.description
        );
    }
}

#[test]
fn signatures_are_those_of_the_vectors() {
    #[derive(Deserialize)]
    struct Key {
        id: String,
        secret: String,
    }
    #[derive(Deserialize)]
    struct Signatures {
        keyring: Vec<Key>,
        valid: Vec<Vector>,
        refused: Vec<Vector>,
    }
    let file: Signatures = read_json("../../vectors/signatures.json");
    let secrets: HashMap<_, _> = file
        .keyring
        .into_iter()
        .map(|key| (key.id, STANDARD.decode(key.secret).unwrap()))
        .collect();

    for (id, secret) in &secrets {
        assert_eq!(key_id(secret), *id);
    }
    for vector in file.valid {
        assert!(vector.verifies(&secrets), "{}", vector.description);
    }
    for vector in file.refused {
        assert!(!vector.verifies(&secrets), "{}", vector.description);
    }
}

#[test]
fn references_are_those_of_the_vectors() {
    #[derive(Deserialize)]
    struct Reference {
        module: String,
        qualname: String,
        pickle_hex: String,
    }
    #[derive(Deserialize)]
    struct References {
        valid: Vec<Reference>,
    }
    for vector in read_json::<References>("../../vectors/references.json").valid {
        let bytes = reference(&vector.module, &vector.qualname);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex, vector.pickle_hex,
            "{}.{}",
            vector.module, vector.qualname
        );
    }
}
