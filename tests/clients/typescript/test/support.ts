import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { connect } from "../src/client.js";
import { decode, encode, keyEnvelope } from "../src/envelope.js";

const url = process.env["REGISTRY_SERVER_URL"];
assert(url, "REGISTRY_SERVER_URL says where the server is");

export const client = connect(url);

/** A JSON file, by its path from the folder of this client. */
export function readJson(path: string) {
  const root = fileURLToPath(new URL("../../", import.meta.url)); // compiled, this file is in build/test
  return JSON.parse(readFileSync(root + path, "utf-8"));
}

export async function store(namespace: string, key: string, value: unknown) {
  const { data, error } = await client.POST("/registry/{namespace}/set", {
    params: { path: { namespace } },
    body: { key: keyEnvelope(key), value: encode(value) },
  });
  assert(data, error?.detail);
  return data;
}

export async function fetchEntry(namespace: string, key: string) {
  const { data, error } = await client.GET("/registry/{namespace}/get", {
    params: { path: { namespace }, query: { key } },
  });
  assert(data, error?.detail);
  return { ...data, decoded: decode(data.value) };
}
