import assert from "node:assert/strict";
import { test } from "node:test";

import { decode, digest, type Envelope, keyEnvelope, keyId, reference, verify } from "../src/envelope.js";
import { client, readJson } from "./support.js";

interface Vector {
  description: string;
  envelope: Envelope;
  digest: string;
  value?: unknown;
  namespace: string;
  key: string;
  signature: string;
}

const envelopes: { valid: Vector[]; malformed: Vector[] } = readJson("../../vectors/envelopes.json");

const post = ({ description, envelope }: Vector) =>
  client.POST("/registry/{namespace}/set", {
    params: { path: { namespace: "clients.typescript.vectors" } },
    body: { key: keyEnvelope(description), value: envelope },
  });

test("digests are those of the vectors", async () => {
  for (const vector of envelopes.valid) {
    assert.equal(digest(vector.envelope), vector.digest, vector.description);
    assert.equal((await post(vector)).data?.digest, vector.digest, vector.description);
    if ("value" in vector) assert.deepEqual(decode(vector.envelope), vector.value, vector.description);
  }
});

test("malformed envelopes are refused", async () => {
  for (const vector of envelopes.malformed) {
    const { response } = await post(vector);
    assert([400, 422].includes(response.status), `${vector.description}: answered ${response.status}`);
  }
});

test("signatures are those of the vectors", () => {
  const file = readJson("../../vectors/signatures.json");
  const secrets = new Map<string, Buffer>();
  for (const { id, secret } of file.keyring) {
    assert.equal(keyId(Buffer.from(secret, "base64")), id);
    secrets.set(id, Buffer.from(secret, "base64"));
  }
  for (const { namespace, key, envelope, signature, description } of file.valid as Vector[]) {
    assert(verify(secrets, namespace, key, { ...envelope, signature }), description);
  }
  for (const { namespace, key, envelope, description } of file.refused as Vector[]) {
    assert(!verify(secrets, namespace, key, envelope), description);
  }
});

test("references are those of the vectors", () => {
  for (const { module, qualname, pickle_hex } of readJson("../../vectors/references.json").valid) {
    assert.equal(reference(module, qualname).toString("hex"), pickle_hex);
  }
});
