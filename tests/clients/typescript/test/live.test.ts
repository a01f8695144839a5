import assert from "node:assert/strict";
import { test } from "node:test";

import { digest, encode, keyEnvelope } from "../src/envelope.js";
import { client, fetchEntry, readJson, store } from "./support.js";

const values: Record<string, unknown> = readJson("../exchange.json").values;

test("sets and gets", async () => {
  const written = await store("clients.typescript.sets", "lr", 0.001);
  const read = await fetchEntry("clients.typescript.sets", "lr");

  assert.equal(read.decoded, 0.001);
  assert.equal(read.digest, digest(encode(0.001)));
  assert.equal(read.etag, written.etag);
});

test("keys travel as they are", async () => {
  const keys = [".", "..", "a/b", "%2F", "a+b c", "?&=#", "\0", "🚀", "e\u0301", "é", "k".repeat(1024)];
  for (const key of keys) {
    assert.equal((await store("clients.typescript.keys", key, key)).key, key);
    assert.equal((await fetchEntry("clients.typescript.keys", key)).decoded, key);
  }
});

test("creates once", async () => {
  const create = (identity: string) =>
    client.POST("/registry/{namespace}/set", {
      params: { path: { namespace: "clients.typescript.creates" }, header: { "If-None-Match": "*" } },
      body: { key: keyEnvelope("best"), value: { ...encode(identity), meta: { identity } } },
    });
  const first = await create("mine");
  const second = await create("theirs");

  assert.equal(first.data?.outcome, "created");
  assert.equal(second.response.status, 412);
  assert.equal(second.error?.code, "precondition_failed");
  assert.deepEqual(second.error?.current?.meta, { identity: "mine" });
  assert.equal(second.error?.current?.etag, first.data?.etag);
});

test("replaces the version it read", async () => {
  const { etag } = await store("clients.typescript.replaces", "n", 1);
  const replace = (value: number) =>
    client.POST("/registry/{namespace}/set", {
      params: { path: { namespace: "clients.typescript.replaces" }, header: { "If-Match": `"${etag}"` } },
      body: { key: keyEnvelope("n"), value: encode(value) },
    });

  assert.equal((await replace(2)).data?.outcome, "replaced");
  assert.equal((await replace(3)).response.status, 412);
});

test("is told that nothing changed", async () => {
  const { etag } = await store("clients.typescript.same", "n", 1);
  const { response } = await client.GET("/registry/{namespace}/get", {
    params: {
      path: { namespace: "clients.typescript.same" },
      query: { key: "n" },
      header: { "If-None-Match": `"${etag}"` },
    },
  });

  assert.equal(response.status, 304);
  assert.equal(response.headers.get("ETag"), `"${etag}"`);
});

test("pages", async () => {
  const wanted = [..."7654321"].map((digit) => `key ${digit}`);
  for (const key of wanted) await store("clients.typescript.pages", key, null);
  const found: string[] = [];
  let page: string | undefined;
  let pages = 0;
  do {
    const { data, error } = await client.GET("/registry/{namespace}/keys", {
      params: { path: { namespace: "clients.typescript.pages" }, query: { limit: 3, ...(page ? { page } : {}) } },
    });
    assert(data, error?.detail);
    found.push(...data.keys);
    page = data.next;
    pages += 1;
  } while (page);

  assert.deepEqual(found, wanted);
  assert.equal(pages, 3);
});

test("watches", async () => {
  const path = { namespace: "clients.typescript.watches" };
  const start = await client.GET("/registry/{namespace}/watch", { params: { path } });
  assert(start.data, start.error?.detail);
  const waiting = client.GET("/registry/{namespace}/watch", {
    params: { path, query: { since: start.data.cursor, wait: 55 } },
  });
  const written = await store(path.namespace, "news", "good");
  const { data } = await waiting;

  assert.deepEqual(
    data?.changes.map(({ op, key }) => [op, key]),
    [["set", "news"]],
  );
  assert.equal(data?.cursor, written.cursor);
});

test("is told that a watch has to start anew", async () => {
  const since = "0123456789abcdef0123456789abcdef.1";
  const { response, error } = await client.GET("/registry/{namespace}/watch", {
    params: { path: { namespace: "clients.typescript.anew" }, query: { since } },
  });

  assert.equal(response.status, 410);
  assert.equal(error?.code, "epoch_changed");
});

test("batches", async () => {
  const path = { namespace: "clients.typescript.batches" };
  const set = (atomic: boolean) =>
    client.POST("/registry/{namespace}/batch/set", {
      params: { path },
      body: {
        entries: [
          { key: keyEnvelope("a"), value: encode(1) },
          { key: keyEnvelope("b"), value: encode(2), expect: "absent" },
        ],
        atomic,
      },
    });
  assert.equal((await set(false)).data?.status, "success");
  assert.deepEqual(
    (await set(false)).data?.outcomes.map(({ outcome }) => outcome),
    ["unchanged", "refused"],
  );
  assert.equal((await set(true)).response.status, 412);

  const got = await client.POST("/registry/{namespace}/batch/get", {
    params: { path },
    body: { entries: [{ key: keyEnvelope("b") }, { key: keyEnvelope("c") }] },
  });
  assert.deepEqual(
    got.data?.outcomes.map(({ outcome, value }) => [outcome, value?.data]),
    [["found", "2"], ["missing", undefined]],
  );

  const gone = await client.POST("/registry/{namespace}/batch/delete", {
    params: { path },
    body: { entries: [{ key: keyEnvelope("a") }, { key: keyEnvelope("b") }] },
  });
  assert.deepEqual(
    gone.data?.outcomes.map(({ outcome }) => outcome),
    ["deleted", "deleted"],
  );
});

test("reads problems", async () => {
  await store("clients.typescript.problems", "mse", 1);
  const missing = await client.GET("/registry/{namespace}/get", {
    params: { path: { namespace: "clients.typescript.problems" }, query: { key: "mes", suggest: 3 } },
  });
  assert.equal(missing.response.status, 404);
  assert.equal(missing.error?.code, "key_not_found");
  assert.deepEqual(missing.error?.suggestions, ["mse"]);

  const invalid = await client.GET("/registry/{namespace}/length", { params: { path: { namespace: "a..b" } } });
  assert.equal(invalid.response.status, 422);
  assert.equal(invalid.error?.code, "invalid_namespace");
});

test("reads what python wrote", async () => {
  for (const [name, value] of Object.entries(values)) {
    assert.deepEqual((await fetchEntry("clients.python", name)).decoded, value, name);
  }
});

// What it wrote is read by Python when all tests are through.
test("writes for python", async () => {
  for (const [name, value] of Object.entries(values)) await store("clients.typescript", name, value);
});
