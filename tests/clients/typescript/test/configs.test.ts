import assert from "node:assert/strict";
import { test } from "node:test";

import { ConfigError, storeConfig } from "../src/configs.js";
import { client, fetchEntry } from "./support.js";

// Python shares there, as a scheme, the function train(lr: float, epochs: int = 10, optimizer: "sgd" or "adam").
const namespace = "clients.schemes";

test("a config is checked before it is stored", async () => {
  const good = { lr: 0.001, optimizer: "adam" };
  assert.equal(await storeConfig(client, namespace, { scheme: "train", name: "typescript", config: good }), "created");
  assert.deepEqual((await fetchEntry(namespace, "typescript")).decoded, good);

  const wrong = { epochs: "many", optimizer: "adam" };
  await assert.rejects(storeConfig(client, namespace, { scheme: "train", name: "wrong", config: wrong }), (error) => {
    assert(error instanceof ConfigError);
    assert.deepEqual(error.errors.map(({ keyword }) => keyword).sort(), ["required", "type"]);
    return true;
  });
  const { data } = await client.GET("/registry/{namespace}/contains", {
    params: { path: { namespace }, query: { key: "wrong" } },
  });
  assert.equal(data?.contains, false);
});
