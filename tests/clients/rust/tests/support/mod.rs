use std::{env, fs};

use clients::registry::{Client, types};
use clients::{encode, key};
use serde::{Serialize, de::DeserializeOwned};

pub fn url() -> String {
    env::var("REGISTRY_SERVER_URL").expect("REGISTRY_SERVER_URL says where the server is")
}

pub fn connect() -> Client {
    Client::new(&url())
}

/// A namespace of the test's own.
pub fn namespace(name: &str) -> types::NamespaceName {
    format!("clients.rust.{name}").parse().expect("a namespace")
}

/// A JSON file, by its path from the folder of this crate, where cargo runs its tests.
pub fn read_json<T: DeserializeOwned>(path: &str) -> T {
    serde_json::from_str(&fs::read_to_string(path).expect(path)).expect(path)
}

pub fn request<T: Serialize>(name: &str, value: &T) -> types::SetEntryRequest {
    types::SetEntryRequest {
        key: key(name),
        value: encode(value),
    }
}
