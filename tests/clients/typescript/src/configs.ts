/** Configs, checked against the JSON Schema that Python published, before they are stored. */

import { Ajv2020, type ErrorObject } from "ajv/dist/2020.js";

import type { Client } from "./client.js";
import { encode, keyEnvelope } from "./envelope.js";

/** A config that does not fit; `errors` has each mistake with its path. */
export class ConfigError extends Error {
  constructor(
    readonly scheme: string,
    readonly errors: ErrorObject[],
  ) {
    super(`not a config for ${scheme}: ${errors.map((e) => `${e.instancePath || "/"} ${e.message}`).join("; ")}`);
  }
}

/** The JSON Schema (draft 2020-12) of a callable that a SchemeRegistry shares: in `meta`, as `scheme`. */
export async function publishedSchema(client: Client, namespace: string, key: string): Promise<object> {
  const { data, error } = await client.GET("/registry/{namespace}/get", {
    params: { path: { namespace }, query: { key } },
  });
  if (error) throw new Error(error.detail);
  const scheme = data.value.meta?.["scheme"];
  if (scheme === undefined) throw new Error(`no scheme was published with ${key}: ${data.value.meta?.["scheme_omitted"]}`);
  return JSON.parse(scheme);
}

/** Store a config under a name, if it fits the scheme; else nothing is sent. */
export async function storeConfig(
  client: Client,
  namespace: string,
  { scheme, name, config }: { scheme: string; name: string; config: object },
): Promise<string> {
  const ajv = new Ajv2020({ allErrors: true, strict: false });
  const fits = ajv.compile(await publishedSchema(client, namespace, scheme));
  if (!fits(config)) throw new ConfigError(scheme, fits.errors ?? []);
  const { data, error } = await client.POST("/registry/{namespace}/set", {
    params: { path: { namespace } },
    body: { key: keyEnvelope(name), value: encode(config) },
  });
  if (error) throw new Error(error.detail);
  return data.outcome;
}
