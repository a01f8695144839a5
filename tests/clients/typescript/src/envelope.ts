/** What a client needs beside the generated types: values as envelopes, digests, signatures. */

import { createHash, createHmac, timingSafeEqual } from "node:crypto";

import type { components } from "../generated/registry.js";

export type Envelope = components["schemas"]["Envelope"];
export type KeyEnvelope = components["schemas"]["KeyEnvelope"];

/** A key as it travels in a body (REG-NAME-03). */
export function keyEnvelope(key: string): KeyEnvelope {
  return { type: "json", data: JSON.stringify(key), encoding: "json" };
}

/** A value that JSON can spell. NaN, infinities and lone surrogates it cannot: the server refuses those. */
export function encode(value: unknown): Envelope {
  return { type: "json", data: JSON.stringify(value), encoding: "json" };
}

/** The value of a JSON envelope. Pickles are left to Python. Integers beyond 2^53 lose their last digits. */
export function decode(envelope: Envelope): unknown {
  if (envelope.type !== "json") throw new TypeError(`not JSON: ${envelope.type}`);
  return JSON.parse(envelope.data);
}

/** Each field after its length in bytes, which takes 8 bytes, big-endian. */
function prefixed(...fields: (string | Buffer)[]): Buffer {
  return Buffer.concat(
    fields.flatMap((field) => {
      const bytes = Buffer.from(field);
      const length = Buffer.alloc(8);
      length.writeBigUInt64BE(BigInt(bytes.length));
      return [length, bytes];
    }),
  );
}

const sha256 = (data: string | Buffer) => createHash("sha256").update(data).digest();

/** REG-ENV-05. */
export function digest({ type, encoding, data }: Envelope): string {
  return `sha256:${sha256(prefixed(type, encoding, data)).toString("hex")}`;
}

function metaForm(meta: Envelope["meta"]): Buffer {
  if (meta === undefined) return Buffer.alloc(0);
  const names = Object.keys(meta).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const count = Buffer.alloc(8);
  count.writeBigUInt64BE(BigInt(names.length));
  return Buffer.concat([count, ...names.map((name) => prefixed(name, meta[name]!))]);
}

const mac = (secret: Buffer, message: string | Buffer) => createHmac("sha256", secret).update(message).digest();

/** Names a secret (docs/trust.md). */
export function keyId(secret: Buffer): string {
  return mac(secret, "namestead key id 1").toString("hex").slice(0, 16);
}

/** The signature of an envelope under a key of a namespace. */
export function sign(secret: Buffer, namespace: string, key: string, envelope: Envelope): string {
  const id = keyId(secret);
  const { type, encoding, data, meta } = envelope;
  const input = prefixed(
    ...["namestead envelope signature 1", id, "hmac-sha256", namespace, key, type, encoding],
    sha256(metaForm(meta)),
    sha256(data),
  );
  return `${id}:${mac(secret, input).toString("base64")}`;
}

/** Whether one of the secrets, by id, signed the envelope. */
export function verify(secrets: Map<string, Buffer>, namespace: string, key: string, envelope: Envelope): boolean {
  const found = Buffer.from(envelope.signature ?? "");
  const secret = secrets.get((envelope.signature ?? "").split(":")[0]!);
  if (secret === undefined) return false;
  const wanted = Buffer.from(sign(secret, namespace, key, envelope));
  return found.length === wanted.length && timingSafeEqual(found, wanted);
}

/** The pickle of an importable object, in its only spelling (tests/vectors/references.json). */
export function reference(module: string, qualname: string): Buffer {
  const stackGlobalMemoizeStop = Buffer.from([0x93, 0x94, 0x2e]);
  const rest = Buffer.concat([memoized(module), memoized(qualname), stackGlobalMemoizeStop]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(rest.length));
  return Buffer.concat([Buffer.from([0x80, 4, 0x95]), length, rest]);
}

function memoized(text: string): Buffer {
  const bytes = Buffer.from(text);
  let size = Buffer.from([0x8c, bytes.length & 0xff]);
  if (bytes.length > 255) {
    size = Buffer.alloc(5, "X");
    size.writeUInt32LE(bytes.length, 1);
  }
  return Buffer.concat([size, bytes, Buffer.from([0x94])]);
}
