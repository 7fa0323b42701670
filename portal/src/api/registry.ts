/** Registered models, their versions, and logged models: the HTTP API as typed functions. */

import { json } from "./client";

export const STAGES = ["None", "Staging", "Production", "Archived"] as const;
export type Stage = (typeof STAGES)[number];

export interface ModelVersion {
  name: string;
  version: number;
  created_ms: number;
  updated_ms: number;
  stage: Stage;
  description: string;
  /** `runs:/<run id>/<path>`, `models:/<logged model id>`, or an address elsewhere. */
  source: string;
  run_id: string;
  run_link: string;
  model_id: string;
  user: string;
  tags: Record<string, string>;
  properties: Record<string, string>;
  aliases: string[];
}

export interface RegisteredModel {
  name: string;
  created_ms: number;
  updated_ms: number;
  description: string;
  tags: Record<string, string>;
  aliases: Record<string, number>;
  /** The highest version of each stage that has one. */
  latest: ModelVersion[];
  versions: number;
}

/** What changes of a registered model; a tag or alias with the value null goes. */
export interface ModelEdit {
  name?: string;
  description?: string;
  tags?: Record<string, string | null>;
  aliases?: Record<string, number | null>;
}

export interface VersionEdit {
  description?: string;
  stage?: Stage;
  archive_others?: boolean;
  tags?: Record<string, string | null>;
}

export interface LoggedModel {
  id: string;
  experiment: string;
  name: string;
  created_ms: number;
  status: "PENDING" | "READY" | "UPLOAD_FAILED";
  type: string;
  source_run_id: string;
  params: Record<string, string>;
  tags: Record<string, string>;
  metrics: { name: string; value: number; step?: number; dataset_name?: string }[];
  registrations: [name: string, version: number][];
}

export interface Page<Item> {
  items: Item[];
  next_page_token: string | null;
}

type Sparse<Item> = Partial<Item>;

// The server leaves out fields that have their default.
function toVersion(sparse: Sparse<ModelVersion>): ModelVersion {
  return {
    name: "",
    version: 0,
    created_ms: 0,
    updated_ms: 0,
    stage: "None",
    description: "",
    source: "",
    run_id: "",
    run_link: "",
    model_id: "",
    user: "",
    tags: {},
    properties: {},
    aliases: [],
    ...sparse,
  };
}
function toModel(
  sparse: Omit<Sparse<RegisteredModel>, "latest"> & { latest?: Sparse<ModelVersion>[] },
): RegisteredModel {
  return {
    name: "",
    created_ms: 0,
    updated_ms: 0,
    description: "",
    tags: {},
    aliases: {},
    versions: 0,
    ...sparse,
    latest: (sparse.latest ?? []).map(toVersion),
  };
}
function toLoggedModel(sparse: Sparse<LoggedModel>): LoggedModel {
  return {
    id: "",
    experiment: "",
    name: "",
    created_ms: 0,
    status: "PENDING",
    type: "",
    source_run_id: "",
    params: {},
    tags: {},
    metrics: [],
    registrations: [],
    ...sparse,
  };
}

const at = (name: string, version?: number) =>
  `/models/${encodeURIComponent(name)}${version === undefined ? "" : `/versions/${version}`}`;

interface RawPage<Item> {
  models?: Sparse<Item>[];
  versions?: Sparse<Item>[];
  next_page_token?: string | null;
}

export const registry = {
  async models(query: {
    text?: string;
    order_by?: string[];
    limit?: number;
    page_token?: string;
  }): Promise<Page<RegisteredModel>> {
    const page = await json<RawPage<RegisteredModel>>("POST", "/models/search", query);
    return { items: (page.models ?? []).map(toModel), next_page_token: page.next_page_token ?? null };
  },

  model: async (name: string) => toModel(await json("GET", at(name))),
  editModel: async (name: string, edit: ModelEdit) => toModel(await json("PATCH", at(name), edit)),
  deleteModel: (name: string) => json<unknown>("DELETE", at(name)),

  async versions(query: {
    name?: string;
    filter?: string;
    order_by?: string[];
    limit?: number;
    page_token?: string;
  }): Promise<Page<ModelVersion>> {
    const page = await json<RawPage<ModelVersion>>("POST", "/model-versions/search", query);
    return { items: (page.versions ?? []).map(toVersion), next_page_token: page.next_page_token ?? null };
  },

  version: async (name: string, version: number) => toVersion(await json("GET", at(name, version))),
  editVersion: async (name: string, version: number, edit: VersionEdit) =>
    toVersion(await json("PATCH", at(name, version), edit)),
  deleteVersion: (name: string, version: number) => json<unknown>("DELETE", at(name, version)),

  async loggedModels(query: { ids?: string[]; source_run_id?: string; limit?: number }): Promise<LoggedModel[]> {
    const page = await json<RawPage<LoggedModel>>("POST", "/logged-models/search", query);
    return (page.models ?? []).map(toLoggedModel);
  },
};

/** Whose files those of a version are, a run's or a logged model's, and in which folder. */
export interface FilesPlace {
  owner: string;
  folder: string;
}

/** Null: outside of the store, or where the version lies that this one is a copy of: see `placeOf`.
 *
 * Files of the logged model come first: they stay as they were registered, whatever the run does with the path at `source`. */
export function filesOf(version: Pick<ModelVersion, "source" | "model_id">): FilesPlace | null {
  if (version.model_id !== "") return { owner: version.model_id, folder: "" };
  const found = /^(?:runs:\/+([^/]+)|models:\/+(m-[0-9a-f]{32}))\/*(.*?)\/*$/.exec(version.source);
  return found === null ? null : { owner: found[1] ?? found[2] ?? "", folder: found[3] ?? "" };
}

const MAX_COPIES = 20; // of copies of copies; a ring of them ends here

/** Where the files of a version lie, followed through those it is a copy of; rejects with a 404 when one of them is gone. */
export async function placeOf(version: Pick<ModelVersion, "source" | "model_id">): Promise<FilesPlace | null> {
  let one = version;
  for (let copies = 0; copies < MAX_COPIES; copies++) {
    const copied = one.model_id === "" ? /^models:\/+([^/@]+)\/+([0-9]{1,18})$/.exec(one.source) : null;
    if (copied === null) return filesOf(one);
    one = await registry.version(copied[1] ?? "", Number(copied[2]));
  }
  return null;
}
