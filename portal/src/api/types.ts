/** What the HTTP API says, as the portal uses it. The server omits fields that have their default; `client.ts` puts them back. */

/** How a point's value is read: 0 float, 1 int, 2 bool, 3 None, 4 text. */
export type DType = 0 | 1 | 2 | 3 | 4;
export const TEXT: DType = 4;

export type MetricKind =
  | "scalar"
  | "list"
  | "row"
  | "table"
  | "image"
  | "confusion_matrix"
  | "accuracy_table"
  | "residuals"
  | "predictions";

export const RUN_STATUSES = [
  "Running",
  "Completed",
  "Failed",
  "Canceled",
  "NotResponding",
  "NotStarted",
  "Starting",
  "Provisioning",
  "Preparing",
  "Queued",
  "Finalizing",
  "CancelRequested",
  "Paused",
] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];

const FINAL: ReadonlySet<RunStatus> = new Set(["Completed", "Failed", "Canceled"]);

/** Whether nothing more is expected of a run in this status. */
export function isFinal(status: RunStatus): boolean {
  return FINAL.has(status);
}

/** Whether the run's clock ticks: it is neither over nor silent. */
export function isActive(status: RunStatus): boolean {
  return !isFinal(status) && status !== "NotResponding";
}

export type ParamValue = string | number | boolean | null;
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

export interface MetricSummary {
  name: string;
  column: string;
  kind: MetricKind;
  dtype: DType;
  count: number;
  /** null for text, None, NaN and ±inf; `last_text` has the exact value. */
  last: number | null;
  last_text: string;
  last_step: number;
  last_time_ms: number;
  min: number | null;
  max: number | null;
  mean: number | null;
  description: string;
}

export interface ErrorInfo {
  code: string;
  message: string;
  traceback: string;
}

/** A data set that a run read; equal name and digest mean the same data. */
export interface DatasetInput {
  name: string;
  digest: string;
  source_type: string;
  source: string;
  schema: string;
  profile: string;
  tags: Record<string, string>;
}

/** A logged model that a run made. */
export interface ModelOutput {
  model_id: string;
  step: number;
}

/** What a program did to answer one request, without its spans. */
export interface Trace {
  id: string;
  name: string;
  time_ms: number;
  /** null: not over. */
  duration_ms: number | null;
  /** "OK", "ERROR", "IN_PROGRESS"; "": unknown. */
  state: string;
  /** The beginnings of what went in and came out. */
  request: string;
  response: string;
  tags: Record<string, string>;
  metadata: Record<string, string>;
  has_spans: boolean;
}

export interface TracePage {
  traces: Trace[];
  next_page_token: string | null;
}

export interface RunInfo {
  id: string;
  experiment: string;
  experiment_id: string;
  number: number;
  name: string;
  status: RunStatus;
  start_ms: number;
  end_ms: number | null;
  heartbeat_ms: number;
  parent_id: string | null;
  type: string;
  user: string;
  description: string;
  deleted: boolean;
  archived: boolean;
  error: ErrorInfo | null;
  params: Record<string, ParamValue>;
  tags: Record<string, string>;
  properties: Record<string, string>;
  metrics: MetricSummary[];
  children: number;
  datasets: DatasetInput[];
  /** Ids of logged models. */
  model_inputs: string[];
  model_outputs: ModelOutput[];
  /** Of a run that was started more than once, in order. */
  sessions: Session[];
  /** Filled by `run()`, empty in search results. */
  info: Record<string, Json>;
}

/** A run whose process is alive, and whose loop has made no step for many times its usual interval. */
export interface Stall {
  run_id: string;
  since_ms: number;
  silence_ms: number;
  usual_ms: number;
  longest_ms: number;
}

/** What people may change; a tag with the value null goes. */
export interface RunEdit {
  name?: string;
  description?: string;
  deleted?: boolean;
  archived?: boolean;
  tags?: Record<string, string | null>;
}

export interface ExperimentInfo {
  name: string;
  runs: number;
  active: number;
  created_ms: number;
  last_start_ms: number;
  /** null: active. */
  archived_ms: number | null;
  tags: Record<string, string>;
}

export interface RunQuery {
  experiment?: string;
  /** A condition in the filter language. */
  filter?: string;
  text?: string;
  status?: RunStatus[];
  ids?: string[];
  parent_id?: string;
  top_level?: boolean;
  /** With `top_level` or `parent_id`: also runs that have a match somewhere below them. */
  tree?: boolean;
  /** Exactly these values of `experiment`, `status`, `user`, `param:NAME`, `tag:NAME`; null: without. */
  equal?: Record<string, ParamValue>;
  /** null: those too. */
  deleted?: boolean | null;
  archived?: boolean | null;
  order_by?: string | string[];
  limit?: number;
  page_token?: string;
  /** Whether `total` is wanted, which takes longer than a page. */
  count?: boolean;
  /** Names that are wanted of each run; missing: all. */
  params?: string[];
  tags?: string[];
  metrics?: string[];
}

/** The names that runs have, each ascending. */
export interface RunKeys {
  params: string[];
  tags: string[];
  metrics: string[];
}

export interface RunPage {
  runs: RunInfo[];
  total: number;
  next_page_token: string | null;
}

/** `step`, `time` (ms UTC), `relative` (s since the run's start), another column of the same table, or another metric of the run. */
export type XAxis = "step" | "time" | "relative" | `column:${string}` | `metric:${string}`;

export interface SeriesQuery {
  run_ids: string[];
  names?: string[];
  column?: string;
  x: XAxis;
  start?: number;
  end?: number;
  buckets: number;
  /** Also what later sessions overtook. */
  tails?: boolean;
}

export type Numbers = Float64Array | Float32Array;

/** A stretch of a run from one start of its process to the next. */
export interface Session {
  start_ms: number;
  /** Points from this time on are of it or of a later one. */
  first_ms: number;
  /** Its last sign of life; 0: unknown. */
  last_ms: number;
  host: string;
  pid: number;
  /** "": nobody said so, or it goes on. */
  ended: RunStatus | "";
}

/** Where a later session of a run begins in a series: over steps at its first point, over time when it began. */
export interface Restart {
  x: number;
  step: number;
  start_ms: number;
  pause_ms: number;
  host: string;
}

/** One series over x, ascending, as buckets; when `exact`, each bucket is one point. All arrays have one length. */
export interface SeriesBuckets {
  run_id: string;
  name: string;
  column: string;
  kind: MetricKind;
  /** Points of the whole series: what is kept. */
  count: number;
  /** Points within the asked range: what the buckets speak of. */
  in_range: number;
  exact: boolean;
  /** x of a bucket's first and of its last point. */
  x: Float64Array;
  x_last: Float64Array;
  /** Of the bucket's finite points, NaN when it has none; the value itself when `exact`. */
  mean: Numbers;
  min: Numbers;
  max: Numbers;
  /** Points of a bucket, and how many of them are NaN or infinite; null: none anywhere. */
  n: Uint32Array;
  non_finite: Uint32Array | null;
  /** Value of the last point in range, NaN when there is none. */
  end: number;
  /** The points on both sides of the asked range, as x and value: where a line comes from and goes to; null: none. */
  before: [x: number, value: number] | null;
  after: [x: number, value: number] | null;
  /** Points of the whole series that a later session left behind; they are in `count`, and in no bucket. */
  overtaken: number;
  restarts: Restart[];
  /** What was left behind of each session. */
  tails: SeriesBuckets[];
}

/** Every point of one series, ascending by (step, time). */
export interface MetricColumns {
  steps: number[];
  times_ms: number[];
  values: ParamValue[];
}

export interface TablePage {
  columns: string[];
  rows: ParamValue[][];
  first_row: number;
  total_rows: number;
}

/** time_ms, stream, text, level (of Python logging, 0 without), logger */
export type LogLine = [number, string, string, number?, string?, (number | null)?];

export interface LogPage {
  lines: LogLine[];
  first_line: number;
  total_lines: number;
}

/** See `LogQuery` in the server's document. */
export interface LogQuery {
  text?: string;
  regex?: boolean;
  ignore_case?: boolean;
  level?: number;
  rank?: number | null;
  stream?: string;
  first_line?: number;
  end_line?: number | null;
  limit?: number;
  count?: boolean;
  budget_ms?: number;
}

/** number (from 0), line, where the words are in it */
export type LogMatch = [number, LogLine, number[]?];

export interface LogMatches {
  matches: LogMatch[];
  first_segment: number;
  counts: number[];
  next_line: number;
  is_done: boolean;
  total_lines: number;
}

export interface ArtifactInfo {
  path: string;
  size_bytes: number;
  sha256: string;
  modified_ms: number;
  content_type: string;
}

export type ChangeWhat =
  | "run"
  | "status"
  | "points"
  | "params"
  | "tags"
  | "log"
  | "artifacts"
  | "info"
  | "deleted"
  | "lineage"
  | "models"
  | "experiment";

export interface Change {
  id: number;
  run_id: string;
  experiment: string;
  what: ChangeWhat[];
  time_ms: number;
}

/** How runs are gathered: `by` names `experiment`, `status`, `user`, `param:NAME`, `tag:NAME`. */
export interface GroupQuery {
  runs: RunQuery;
  by: string[];
  /** Columns whose spread (metrics) or common value (params, tags) is wanted. */
  columns: string[];
  limit?: number;
}

/** A number over the runs of a group that have it. */
export interface Spread {
  n: number;
  mean: number;
  /** Sample standard deviation; null of a single one. */
  std: number | null;
  min: number;
  max: number;
}

/** What a param or tag is over a group: the one value they share, or how many there are. */
export interface Common {
  value: ParamValue;
  different: number;
}

export interface RunGroup {
  /** One for each of `by`; null: these runs lack it. */
  values: ParamValue[];
  runs: number;
  statuses: Partial<Record<RunStatus, number>>;
  first_start_ms: number;
  last_start_ms: number;
  spreads: Record<string, Spread>;
  common: Record<string, Common>;
}

export interface RunGroups {
  groups: RunGroup[];
  /** Groups there are; more than `groups` beyond the limit. */
  total: number;
  runs: number;
}

/** A way of looking at something that people saved under a name, for all who use the workspace. */
export interface View {
  scope: string;
  name: string;
  /** The address after the "?". */
  query: string;
  updated_ms: number;
}

export interface ServerInfo {
  version: string;
  workspace: string;
  started_ms: number;
}

export const ACTIVITIES = [
  "started",
  "completed",
  "failed",
  "canceled",
  "lost",
  "deleted",
  "experiment",
  "archived",
  "version",
] as const;
export type ActivityWhat = (typeof ACTIVITIES)[number];

/** Something that happened. */
export interface Activity {
  time_ms: number;
  what: ActivityWhat;
  experiment: string;
  run_id: string;
  /** Of the run or the registered model. */
  name: string;
  version: number;
  user: string;
  /** A failure's message, a version's description. */
  text: string;
}

export interface ActivityQuery {
  what?: ActivityWhat[];
  experiment?: string;
  limit?: number;
  page_token?: string;
}

export interface ActivityPage {
  items: Activity[];
  next_page_token: string | null;
}

export interface Usage {
  database_bytes: number;
  files_bytes: number;
  experiments: number;
  runs: number;
  deleted_runs: number;
  points: number;
}

/** What changes of an experiment; a tag with the value null goes. */
export interface ExperimentEdit {
  archived?: boolean;
  tags?: Record<string, string | null>;
}

export interface GcReport {
  runs_deleted: number;
  bytes_before: number;
  bytes_after: number;
}
