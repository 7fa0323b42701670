/** The HTTP API as typed functions. Every failure is an `ApiError`. */

import { t } from "../ui/i18n";
import { decodeColumns, decodeSeries } from "./frame";
import type {
  Activity,
  ActivityPage,
  ActivityQuery,
  ArtifactInfo,
  ExperimentEdit,
  ExperimentInfo,
  GcReport,
  GroupQuery,
  Json,
  LogMatches,
  LogPage,
  LogQuery,
  MetricColumns,
  MetricSummary,
  ParamValue,
  RunEdit,
  RunGroup,
  RunGroups,
  RunInfo,
  RunKeys,
  RunPage,
  RunQuery,
  SeriesBuckets,
  SeriesQuery,
  ServerInfo,
  Session,
  Stall,
  TablePage,
  Trace,
  TracePage,
  Usage,
  View,
} from "./types";

const BASE = "/api/v1";

/** `code` is the server's; `UNREACHABLE` when there was no answer at all, `BAD_ANSWER` when it was not the API's. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly code: string,
    readonly status: number,
    /** What the server says beside the message, such as the `position` in a filter. */
    readonly details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
    this.name = "ApiError";
  }

  get isNotFound(): boolean {
    return this.status === 404;
  }

  /** Whether asking again later may help: the server is away, or has failed. */
  get isTrouble(): boolean {
    return this.code === "UNREACHABLE" || (this.status >= 500 && this.status !== 501);
  }

  get needsSignIn(): boolean {
    return this.status === 401 || this.status === 403;
  }

  get isUnreachable(): boolean {
    return this.code === "UNREACHABLE" || this.status >= 502;
  }
}

/** Requests under way, apart from the event stream. */
export const requests = { pending: 0 };

async function send(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<Response> {
  const init: RequestInit = { method, headers };
  if (signal !== undefined) init.signal = signal;
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { ...headers, "Content-Type": "application/json" };
  }
  requests.pending++;
  try {
    return await answered(path, init);
  } catch (error) {
    if (error instanceof ApiError && error.isTrouble && signal?.aborted !== true && !isEdit(method, path))
      troubles.tell(error);
    throw error;
  } finally {
    requests.pending--;
  }
}

/** An edit that failed is said where it was made; what is shown is as true as before. */
function isEdit(method: string, path: string): boolean {
  return ["PUT", "PATCH", "DELETE"].includes(method) || /\/(edit|delete|gc)$/.test(path);
}

/** Hears of each question that failed through the server's fault. */
export const troubles: { tell: (error: ApiError) => void } = { tell: () => undefined };

async function answered(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(BASE + path, init);
  } catch {
    throw new ApiError(t("The tracklog server does not answer."), "UNREACHABLE", 0);
  }
  if (response.ok) return response;
  const answer: unknown = await response.json().catch(() => null);
  if (typeof answer === "object" && answer !== null && "error" in answer) {
    const error = answer.error as { code?: string; message?: string; details?: Record<string, unknown> };
    throw new ApiError(
      error.message ?? response.statusText,
      error.code ?? "BAD_ANSWER",
      response.status,
      error.details,
    );
  }
  throw new ApiError(`The server answered ${response.status} ${response.statusText}.`, "BAD_ANSWER", response.status);
}

export async function json<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const response = await send(method, path, body, {}, signal);
  return (await response.json()) as T;
}

const METRIC_DEFAULTS = {
  last: null,
  last_text: "",
  last_step: 0,
  last_time_ms: 0,
  min: null,
  max: null,
  mean: null,
  description: "",
};

const DATASET_DEFAULTS = { digest: "", source_type: "", source: "", schema: "", profile: "", tags: {} };
const ACTIVITY_DEFAULTS = { experiment: "", run_id: "", name: "", version: 0, user: "", text: "" };

type Sparse<T> = Partial<Omit<T, "metrics">> & { metrics?: Partial<MetricSummary>[] };

const SESSION_DEFAULTS: Session = { start_ms: 0, first_ms: 0, last_ms: 0, host: "", pid: 0, ended: "" };

/** Put the defaults back that the server leaves out. */
function toRun(sparse: Sparse<RunInfo>): RunInfo {
  return {
    id: "",
    experiment: "",
    experiment_id: "",
    number: 0,
    name: "",
    status: "Running",
    start_ms: 0,
    end_ms: null,
    heartbeat_ms: 0,
    parent_id: null,
    type: "",
    user: "",
    description: "",
    deleted: false,
    archived: false,
    params: {},
    tags: {},
    properties: {},
    children: 0,
    model_inputs: [],
    info: {},
    ...sparse,
    datasets: (sparse.datasets ?? []).map((one) => ({ ...DATASET_DEFAULTS, ...one })),
    model_outputs: (sparse.model_outputs ?? []).map((one) => ({ ...one, step: one.step ?? 0 })),
    sessions: (sparse.sessions ?? []).map((one) => ({ ...SESSION_DEFAULTS, ...one })),
    error: sparse.error ? { ...sparse.error, traceback: sparse.error.traceback ?? "" } : null,
    metrics: (sparse.metrics ?? []).map((metric) => ({ ...METRIC_DEFAULTS, ...metric }) as MetricSummary),
  };
}

function toExperiment(sparse: Partial<ExperimentInfo> & { name: string }): ExperimentInfo {
  return { runs: 0, active: 0, created_ms: 0, last_start_ms: 0, archived_ms: null, tags: {}, ...sparse };
}

const at = (runId: string) => `/runs/${encodeURIComponent(runId)}`;

export function artifactUrl(runId: string, path: string, download = false): string {
  return `${BASE}${at(runId)}/artifacts/${path.split("/").map(encodeURIComponent).join("/")}${download ? "?download=1" : ""}`;
}

/** A folder of files as an archive; "": all of them. */
export function archiveUrl(runId: string, folder: string): string {
  return `${BASE}${at(runId)}/artifacts.zip${folder === "" ? "" : `?${new URLSearchParams({ prefix: folder })}`}`;
}

export function logUrl(runId: string): string {
  return `${BASE}${at(runId)}/log.txt`;
}

export const EVENTS_URL = `${BASE}/events`;

export const api = {
  info: () => json<ServerInfo>("GET", "/info"),

  /** MLflow's clients know experiments by a number. */
  async experimentOfId(id: string): Promise<ExperimentInfo> {
    const answer = await json<{ experiments: [Partial<ExperimentInfo> & { name: string }] }>(
      "GET",
      `/experiments?${new URLSearchParams({ id })}`,
    );
    return toExperiment(answer.experiments[0]);
  },
  async experiments(): Promise<ExperimentInfo[]> {
    const answer = await json<{ experiments: (Partial<ExperimentInfo> & { name: string })[] }>("GET", "/experiments");
    return answer.experiments.map(toExperiment);
  },

  async experiment(name: string): Promise<ExperimentInfo> {
    const answer = await json<{ experiments: [Partial<ExperimentInfo> & { name: string }] }>(
      "GET",
      `/experiments?${new URLSearchParams({ name })}`,
    );
    return toExperiment(answer.experiments[0]);
  },

  async editExperiment(name: string, edit: ExperimentEdit): Promise<ExperimentInfo> {
    return toExperiment(await json("PATCH", `/experiments?${new URLSearchParams({ name })}`, edit));
  },

  async activity(query: ActivityQuery): Promise<ActivityPage> {
    const page = await json<{ items: Sparse<Activity>[]; next_page_token?: string | null }>(
      "POST",
      "/activity/search",
      query,
    );
    return {
      items: page.items.map((item) => ({ ...ACTIVITY_DEFAULTS, ...item }) as Activity),
      next_page_token: page.next_page_token ?? null,
    };
  },

  usage: () => json<Usage>("GET", "/usage"),

  /** Remove for good what is in the trash. */
  async gc(): Promise<GcReport> {
    const report = await json<Partial<GcReport>>("POST", "/gc");
    return { runs_deleted: 0, bytes_before: 0, bytes_after: 0, ...report };
  },

  async runs(query: RunQuery): Promise<RunPage> {
    const page = await json<{ runs: Sparse<RunInfo>[]; total?: number | null; next_page_token?: string | null }>(
      "POST",
      "/runs/search",
      query,
    );
    return {
      runs: page.runs.map(toRun),
      total: page.total ?? page.runs.length,
      next_page_token: page.next_page_token ?? null,
    };
  },

  /** Those of some runs, at most 200, whose loop stands still. */
  stalled: async (ids: readonly string[]): Promise<Stall[]> =>
    (await json<{ stalls: Stall[] }>("POST", "/runs/stalled", { ids })).stalls,

  /** Ids of all runs of a search, in its order. */
  async runIds(query: RunQuery): Promise<string[]> {
    return (await json<{ ids: string[] }>("POST", "/runs/ids", query)).ids;
  },

  runKeys: (experiment: string | null) =>
    json<RunKeys>("GET", experiment === null ? "/runs/keys" : `/runs/keys?${new URLSearchParams({ experiment })}`),

  async runGroups(query: GroupQuery): Promise<RunGroups> {
    const answer = await json<
      { groups: (Partial<RunGroup> & { values: ParamValue[]; runs: number })[] } & Omit<RunGroups, "groups">
    >("POST", "/runs/groups", query);
    const defaults = { statuses: {}, first_start_ms: 0, last_start_ms: 0, spreads: {}, common: {} };
    return { ...answer, groups: answer.groups.map((group) => ({ ...defaults, ...group })) };
  },

  async run(runId: string): Promise<RunInfo> {
    return toRun(await json<Sparse<RunInfo>>("GET", at(runId)));
  },

  /** The name of a run; null: there is no such run, or the server is away. */
  async runName(runId: string): Promise<string | null> {
    const only = { limit: 1, count: false, params: [], tags: [], metrics: [], deleted: null };
    const page = await api.runs({ ids: [runId], ...only }).catch(() => null);
    return page?.runs[0]?.name ?? null;
  },

  async editRun(runId: string, edit: RunEdit): Promise<RunInfo> {
    return toRun(await json<Sparse<RunInfo>>("PATCH", at(runId), edit));
  },

  /** All runs of a search as a file. */
  async exportRuns(runs: RunQuery, columns: readonly string[], format: "csv" | "parquet"): Promise<Blob> {
    const response = await send("POST", "/runs/export", { runs, columns, format });
    return response.blob();
  },

  /** The same edit of at most a thousand runs. */
  async editRuns(ids: readonly string[], edit: RunEdit): Promise<number> {
    return (await json<{ edited: number }>("POST", "/runs/edit", { ids, edit })).edited;
  },

  async views(scope: string): Promise<View[]> {
    const answer = await json<{ views: View[] }>("GET", `/views?${new URLSearchParams({ scope })}`);
    return answer.views;
  },

  saveView: (scope: string, name: string, query: string) => json<View>("PUT", "/views", { scope, name, query }),

  async deleteView(scope: string, name: string): Promise<void> {
    await send("DELETE", `/views?${new URLSearchParams({ scope, name })}`);
  },

  /** Keep which runs are selected, under a short name that they alone determine. */
  saveSelection: async (ids: readonly string[]): Promise<string> =>
    (await json<{ name: string }>("POST", "/selections", { ids })).name,

  selection: async (name: string): Promise<string[]> =>
    (await json<{ ids: string[] }>("GET", `/selections?${new URLSearchParams({ name })}`)).ids,

  /** Aborted, it fails like a request without an answer. */
  async series(query: SeriesQuery, signal?: AbortSignal): Promise<SeriesBuckets[]> {
    const response = await send("POST", "/series?screen=1", query, {}, signal);
    const body = await response.arrayBuffer().catch(() => {
      throw new ApiError(t("The tracklog server does not answer."), "UNREACHABLE", 0);
    });
    return decodeSeries(body);
  },

  async columns(runId: string, name: string, column = ""): Promise<MetricColumns> {
    const response = await send("GET", `${at(runId)}/columns?${new URLSearchParams({ name, column })}`);
    return decodeColumns(await response.arrayBuffer());
  },

  table: (runId: string, name: string, firstRow: number, limit: number) =>
    json<TablePage>(
      "GET",
      `${at(runId)}/table?${new URLSearchParams({ name, first_row: `${firstRow}`, limit: `${limit}` })}`,
    ),

  /** Traces of a run, newest first. */
  async traces(run: RunInfo, limit: number, pageToken: string | null = null): Promise<TracePage> {
    const page = await json<{ traces: (Partial<Trace> & { id: string })[]; next_page_token?: string | null }>(
      "POST",
      "/traces/search",
      {
        experiment_ids: [run.experiment_id],
        // In the filter language a quote within a text is written twice.
        filter: `run_id = '${run.id.replaceAll("'", "''")}'`,
        limit,
        ...(pageToken === null ? {} : { page_token: pageToken }),
      },
    );
    const defaults = {
      name: "",
      time_ms: 0,
      duration_ms: null,
      state: "",
      request: "",
      response: "",
      has_spans: false,
    };
    return {
      traces: page.traces.map((one) => ({ ...defaults, tags: {}, metadata: {}, ...one })),
      next_page_token: page.next_page_token ?? null,
    };
  },

  /** Spans of a trace as its client wrote them. */
  spans: (traceId: string) => json<Json>("GET", `/traces/${encodeURIComponent(traceId)}/spans`),

  log: (runId: string, firstLine: number, limit: number) =>
    json<LogPage>("GET", `${at(runId)}/log?first_line=${firstLine}&limit=${limit}`),

  searchLog: (runId: string, query: LogQuery, signal: AbortSignal) =>
    json<LogMatches>("POST", `${at(runId)}/log/search`, query, signal),

  /** The files below a folder; "": all. */
  async artifacts(runId: string, folder = ""): Promise<ArtifactInfo[]> {
    const answer = await json<{ artifacts: (Partial<ArtifactInfo> & { path: string })[] }>(
      "GET",
      `${at(runId)}/artifacts${folder === "" ? "" : `?${new URLSearchParams({ prefix: folder })}`}`,
    );
    const defaults = { size_bytes: 0, sha256: "", modified_ms: 0, content_type: "application/octet-stream" };
    return answer.artifacts.map((item) => ({ ...defaults, ...item }));
  },

  /** Bytes [start, end) of a file. */
  /** The first `limit` bytes of a file as text. */
  async artifactText(runId: string, path: string, limit: number): Promise<string> {
    const bytes = await api.artifactBytes(runId, path, 0, limit).catch((error: unknown) => {
      // No byte of an empty file is in any range.
      if (error instanceof ApiError && error.status === 416) return new Uint8Array();
      throw error;
    });
    return new TextDecoder().decode(bytes);
  },

  async artifactBytes(runId: string, path: string, start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    if (end <= start) return new Uint8Array();
    const response = await send("GET", artifactUrl(runId, path).slice(BASE.length), undefined, {
      Range: `bytes=${start}-${end - 1}`,
    });
    return new Uint8Array(await response.arrayBuffer());
  },
};
