/** The client: openapi-fetch, with the types that openapi-typescript made of openapi.yaml. */

import createClient from "openapi-fetch";

import type { paths } from "../generated/registry.js";

export function connect(baseUrl: string) {
  // A key's "+" is sent as %2B: in a query a plain one is a space. encodeURIComponent does that.
  return createClient<paths>({ baseUrl });
}

export type Client = ReturnType<typeof connect>;
