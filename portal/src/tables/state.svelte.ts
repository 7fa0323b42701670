/** The runs of one experiment, or of all, as a page looks at them: what is asked, which columns, what is selected, what is drawn.
 *
 * All of it that makes a view is in the address: `q`, `status`, `order`, `cols`, `group`, `tree`, `pin`, `base`, `deleted`, `archived`,
 * `parent`, `spread`, how many runs are drawn, `most`, and the selection `sel`: its ids, or a short name under which the server keeps
 * them.
 */

import { untrack } from "svelte";
import { SvelteSet } from "svelte/reactivity";
import { ApiError, api } from "../api/client";
import { live, paced } from "../api/live.svelte";
import { RUN_STATUSES, type RunInfo, type RunKeys, type RunQuery, type RunStatus } from "../api/types";
import { styleAt } from "../charts/colours";
import { refsOf } from "../charts/fields";
import { isEmbed } from "../charts/share";
import { NOTHING } from "../charts/view.svelte";
import { OWN_TAGS } from "../ui/edit";
import { location } from "../ui/location.svelte";
import { toast } from "../ui/toast.svelte";
import {
  autoWidth,
  type Column,
  type ColumnId,
  chooseColumns,
  columnDigits,
  columnTerm,
  decodeColumns,
  decodeIds,
  encodeColumns,
  encodeIds,
  isNumeric,
  keysOf,
  neededKeys,
  nextOrder,
  splitId,
} from "./columns";
import { DRAWN, DrawnRuns, MAX_CHARTED } from "./drawn.svelte";
import { FILTER_ATTRIBUTES, isCondition, quoted, type Vocabulary } from "./filter";
import { SPREAD_PX, type SpreadKind } from "./groups";
import { ALL, type Ask, RunsList } from "./runs.svelte";

/** Selected runs whose ids stand in the address themselves; of more, the server keeps them under a short name. */
const MAX_ADDRESSED = 60;
/** What such a name begins with: no id does. */
const NAMED = ".";
/** A selection is kept once people have stopped ticking. */
const SAVE_MS = 500;
/** Up to this many columns all their values are asked for; of more, only those in view. */
const MAX_WANTED = 60;
const MAX_PINNED = 12;
const MAX_VALUES = 40;
/** New names are looked for while runs log, this often at most. */
const KEYS_MS = 10_000;

export const SPREADS: readonly SpreadKind[] = ["std", "sem", "range"];

export const DEFAULT_ORDER = ["-start"];
/** View state that is not part of a saved view. */
const TRANSIENT = ["sel", "view"];

/** To be made while a component starts: its effects live as long as that component. */
export class RunsState {
  readonly experiment: string | null;
  readonly list = new RunsList();
  /** Of saved views. */
  readonly scope: string;

  // ---------------------------------------------------------------- the address

  text = $derived(location.get("q"));
  isCondition = $derived(isCondition(this.text));
  // Lists by way of their text: whatever else changes in the address, they stay the same lists, and nothing is asked or drawn anew.
  #orderText = $derived(location.get("order"));
  #groupText = $derived(location.get("group"));
  #pinText = $derived(location.get("pin"));
  order: string[] = $derived(this.#orderText === "" ? DEFAULT_ORDER : decodeIds(this.#orderText));
  groupBy: ColumnId[] = $derived(decodeIds(this.#groupText));
  isTree = $derived(location.get("tree") === "1" && this.groupBy.length === 0);
  statuses = $derived(
    location
      .get("status")
      .split(",")
      .filter((word): word is RunStatus => RUN_STATUSES.some((one) => one === word)),
  );
  parent = $derived(location.get("parent"));
  isTrash = $derived(location.get("deleted") === "1");
  isArchive = $derived(location.get("archived") === "1");
  isFiltered = $derived(
    this.text !== "" || this.statuses.length > 0 || this.parent !== "" || this.isTrash || this.isArchive,
  );
  pinnedIds = $derived(decodeIds(this.#pinText).slice(0, MAX_PINNED));
  baselineId = $derived(location.get("base"));
  spread: SpreadKind = $derived(SPREADS.find((one) => one === location.get("spread")) ?? "std");
  viewName = $derived(location.get("view"));

  // ---------------------------------------------------------------- columns

  /** Names that the runs have, those filtered out as well; null: not known yet. */
  #keys = $state.raw<RunKeys | null>(null);
  #allKeys: RunKeys = $derived.by(() => {
    const seen = keysOf(this.list.sample);
    const both = (kind: keyof RunKeys) => [...new Set([...(this.#keys?.[kind] ?? []), ...seen[kind]])];
    return { params: both("params"), tags: both("tags"), metrics: both("metrics") };
  });
  choice = $derived.by(() => chooseColumns(this.list.sample, this.#allKeys, this.experiment === null));
  /** Columns as first chosen: neither a filter nor new data may take one away. */
  #auto = $state.raw<ColumnId[]>([]);
  #addressed: Column[] = $derived(decodeColumns(location.get("cols")));
  #chosen: Column[] = $derived.by(() => {
    const named = this.#addressed.filter(({ id }) => id !== "name");
    const auto = this.#auto.length > 0 ? this.#auto : this.choice.auto;
    return named.length > 0 ? named : auto.map((id) => ({ id, width: null, isPinned: false }));
  });
  /** Besides the name, which always comes first; pinned ones before the others. */
  columns: Column[] = $derived.by(() => {
    // What runs are grouped by is the name of the group.
    const shown = this.#chosen.filter((one) => !this.groupBy.includes(one.id));
    return [...shown.filter((one) => one.isPinned), ...shown.filter((one) => !one.isPinned)];
  });
  /** px; null: as the window allows. */
  nameWidth: number | null = $derived(this.#addressed.find(({ id }) => id === "name")?.width ?? null);
  columnIds: ColumnId[] = $derived(this.columns.map((column) => column.id));
  /** By what is in the first rows, so that nothing moves while one scrolls. */
  widths: ReadonlyMap<ColumnId, number> = $derived(
    new Map(
      this.columns.map(({ id, width }) => {
        const least = this.groupBy.length > 0 && splitId(id).kind.startsWith("metric") ? SPREAD_PX[this.spread] : 0;
        return [id, width ?? Math.max(least, this.#autoWidth(id, this.list.sample))];
      }),
    ),
  );
  #autoWidths = new Map<ColumnId, number>();
  digits: ReadonlyMap<ColumnId, number> = $derived(
    new Map(
      this.columnIds
        .filter((id) => isNumeric(id, this.list.sample))
        .map((id) => [id, columnDigits(this.list.sample, id)]),
    ),
  );

  /** A column's width while its edge is dragged. */
  preview = $state.raw<{ id: ColumnId; width: number } | null>(null);

  // ---------------------------------------------------------------- selection

  selected = new SvelteSet<string>();
  /** A selection known by its name only is on its way; until it is here nothing is drawn. */
  isSelecting = $state(false);
  /** The selection that has a name. */
  #named: { ids: readonly string[]; name: string } = { ids: [], name: "" };
  #saving = 0;
  /** Where a range begins that Shift extends. */
  #anchor: number | null = null;
  selectedIds: string[] = $derived([...this.selected]);

  // ---------------------------------------------------------------- drawn

  readonly #drawn = new DrawnRuns();
  /** How many of the latest runs people want drawn. */
  most: number = $derived(DRAWN.find((one) => String(one) === location.get("most")) ?? DRAWN[0]);
  /** Charts show means over groups of runs: as many as there are count, whatever number of curves is wanted. */
  areAveraged: boolean = $derived(location.get("by") === "" ? this.groupBy.length > 0 : location.get("by") !== NOTHING);
  /** Hues of the groups that the charts average; none when they average something else. */
  groupInks = $derived(
    new Map(
      this.groupBy.length === 0 || location.get("by") !== ""
        ? []
        : refsOf(this.#drawn.charted, { groups: this.groupBy, colour: "" }, false).map((ref) => [
            ref.group,
            styleAt(ref.groupAt).hue,
          ]),
    ),
  );

  /** The runs whose curves are drawn: those selected, else the latest. */
  get charted(): RunInfo[] {
    return this.#drawn.charted;
  }
  /** More match, or are selected, than are drawn. */
  get areMore(): boolean {
    return this.#drawn.areMore;
  }
  get pinned(): RunInfo[] {
    return this.#drawn.pinned;
  }
  get baseline(): RunInfo | null {
    return this.#drawn.baseline;
  }

  /** What the filter has wrong, with its place in the text. */
  problem: ApiError | null = $derived(this.list.error?.code === "INVALID_FILTER" ? this.list.error : null);

  /** Which runs, in no order. */
  filter: RunQuery = $derived.by(() => ({
    ...(this.experiment === null ? {} : { experiment: this.experiment }),
    ...(this.text === "" ? {} : this.isCondition ? { filter: this.text } : { text: this.text }),
    ...(this.statuses.length === 0 ? {} : { status: this.statuses }),
    ...(this.parent === "" ? {} : { parent_id: this.parent }),
    // The trash has archived runs, too.
    ...(this.isTrash ? { deleted: true } : { archived: this.isArchive }),
  }));
  query: RunQuery = $derived({ ...this.filter, order_by: this.order });
  /** As text, so that another order is no reason to ask for the latest runs again. */
  #filterText = $derived(JSON.stringify(this.filter));
  /** What is asked of the list, as text: equal ones are not asked again. */
  #asked = $derived(
    JSON.stringify({
      query: this.query,
      isTree: this.isTree,
      groupBy: this.groupBy,
      groupColumns: this.groupBy.length === 0 ? [] : this.columnIds.flatMap(groupColumn),
    } satisfies Ask),
  );

  constructor(experiment: string | null) {
    this.experiment = experiment;
    this.scope = experiment === null ? "runs" : `experiment:${experiment}`;
    const sel = location.get("sel");
    if (sel.startsWith(NAMED)) void this.#openSelection(sel.slice(NAMED.length));
    else for (const id of decodeIds(sel)) this.selected.add(id);
    void this.#loadKeys();
    $effect(() => {
      const ask = JSON.parse(this.#asked) as Ask;
      if (this.#keys === null) return; // a moment later
      // What the search looks at and changes must not start it again.
      untrack(() => {
        this.#wantFirst();
        void this.list.search(ask);
      });
    });
    $effect(() => {
      if (this.list.sample.length === 0) return;
      const { auto } = this.choice;
      untrack(() => {
        const isNew = (id: ColumnId) => !this.#auto.includes(id) && id.startsWith("metric:");
        if (this.#auto.length === 0) this.#auto = auto;
        else if (auto.some(isNew)) this.#auto = [...this.#auto, ...auto.filter(isNew)];
      });
    });
    $effect(() => {
      const pace = paced(() => this.#loadKeys(), KEYS_MS);
      const stop = live.subscribe((changes) => {
        if (changes === null || changes.some((change) => experiment === null || change.experiment === experiment))
          pace.ask();
      });
      return () => {
        stop();
        pace.stop();
      };
    });
    $effect(() => () => this.list.close());
    // Before the page is built: its curves are what one waits for longest.
    $effect.pre(() => this.#follow());
    // The selection goes with the address, both ways.
    $effect(() => {
      if (this.isSelecting) return;
      const ids = this.selectedIds;
      untrack(() => this.#addressSelection(ids));
    });
    $effect(() => () => clearTimeout(this.#saving));
  }

  async #openSelection(name: string): Promise<void> {
    this.isSelecting = true;
    try {
      const ids = await api.selection(name);
      this.#named = { ids, name };
      this.selectOnly(ids);
    } catch (error) {
      toast.say(error instanceof Error ? error.message : String(error));
    } finally {
      this.isSelecting = false;
    }
  }

  #addressSelection(ids: readonly string[]): void {
    clearTimeout(this.#saving);
    const tell = (sel: string) => {
      if (sel !== location.get("sel")) location.set({ sel });
    };
    const { ids: known, name } = this.#named;
    const isNamed = known.length === ids.length && known.every((id, at) => id === ids[at]);
    if (isNamed || ids.length <= MAX_ADDRESSED) {
      tell(ids.length <= MAX_ADDRESSED ? encodeIds(ids) : NAMED + name);
      return;
    }
    if (isEmbed(location.path)) return; // shows what its address says, and writes nothing
    tell(""); // rather than an older selection
    this.#saving = window.setTimeout(async () => {
      try {
        this.#named = { ids, name: await api.saveSelection(ids) };
        if (this.selectedIds === ids) tell(NAMED + this.#named.name);
      } catch (error) {
        // That the server is away, the page says; the next tick tries again.
        if (error instanceof ApiError && !error.isTrouble) toast.say(error.message);
      }
    }, SAVE_MS);
  }

  async #loadKeys(): Promise<void> {
    // Without the names there are the runs, whose error is told.
    const keys = await api.runKeys(this.experiment).catch(() => ({ params: [], tags: [], metrics: [] }));
    if (JSON.stringify(keys) !== JSON.stringify(this.#keys)) this.#keys = keys;
  }

  /** Before the first rows are here, what columns there will be is a guess. */
  #wantFirst(): void {
    if (this.list.isLoaded) return;
    const { metrics } = neededKeys([...this.columnIds, ...this.order.map((key) => key.replace(/^-/, ""))]);
    const isAsked = location.get("cols") !== "";
    const { params, tags } = isAsked ? neededKeys(this.columnIds) : { params: [ALL], tags: [ALL] };
    this.list.want({ params, tags, metrics });
  }

  #autoWidth(id: ColumnId, sample: readonly RunInfo[]): number {
    const known = this.#autoWidths.get(id);
    if (known !== undefined) return known;
    const width = autoWidth(id, sample);
    if (sample.length > 0) this.#autoWidths.set(id, width);
    return width;
  }

  // ---------------------------------------------------------------- changes of the view

  /** The columns that suit what is shown now. */
  chooseColumns(): void {
    this.#auto = this.choice.auto;
    location.set({ cols: null });
  }

  setColumns(columns: readonly Column[], nameWidth = this.nameWidth): void {
    const name = nameWidth === null ? [] : [{ id: "name", width: nameWidth, isPinned: false }];
    const hidden = this.#chosen.filter((one) => this.groupBy.includes(one.id));
    location.set({ cols: encodeColumns([...name, ...columns, ...hidden]) });
  }

  #change(id: ColumnId, change: (column: Column) => Column): void {
    this.setColumns(this.columns.map((column) => (column.id === id ? change(column) : column)));
  }

  toggleColumn(id: ColumnId): void {
    this.setColumns(
      this.columnIds.includes(id)
        ? this.columns.filter((column) => column.id !== id)
        : [...this.columns, { id, width: null, isPinned: false }],
    );
  }

  resize(id: ColumnId, width: number | null): void {
    if (id === "name") this.setColumns(this.columns, width);
    else this.#change(id, (column) => ({ ...column, width }));
  }

  togglePin(id: ColumnId): void {
    this.#change(id, (column) => ({ ...column, isPinned: !column.isPinned }));
  }

  /** Put another column in the place of one: another number of the same metric. */
  replaceColumn(id: ColumnId, by: ColumnId): void {
    if (this.columnIds.includes(by)) this.toggleColumn(id);
    else this.#change(id, (column) => ({ ...column, id: by }));
  }

  /** Move a column before another; null: to the end. Beside a pinned one it is pinned, too. */
  moveColumn(id: ColumnId, before: ColumnId | null): void {
    const column = this.columns.find((one) => one.id === id);
    if (column === undefined || id === before) return;
    const rest = this.columns.filter((one) => one.id !== id);
    const at = before === null ? rest.length : rest.findIndex((one) => one.id === before);
    const isPinned = rest[at]?.isPinned ?? false;
    this.setColumns([...rest.slice(0, at), { ...column, isPinned }, ...rest.slice(at)]);
  }

  /** Move a column by places to the left or right. */
  shiftColumn(id: ColumnId, by: number): void {
    const ids = this.columnIds;
    const at = ids.indexOf(id);
    const to = Math.max(0, Math.min(ids.length - 1, at + by));
    if (at >= 0 && to !== at) this.moveColumn(id, ids[by > 0 ? to + 1 : to] ?? null);
  }

  sort(id: ColumnId, isAdded: boolean): void {
    this.setOrder(nextOrder(this.order, id, isAdded));
  }

  setOrder(order: string[]): void {
    const text = encodeIds(order);
    location.set({ order: text === encodeIds(DEFAULT_ORDER) ? null : text });
  }

  setGroup(ids: readonly ColumnId[]): void {
    location.set({ group: encodeIds(ids), tree: null });
  }

  toggleGroup(id: ColumnId): void {
    this.setGroup(this.groupBy.includes(id) ? this.groupBy.filter((one) => one !== id) : [...this.groupBy, id]);
  }

  toggleTree(): void {
    location.set({ tree: this.isTree ? null : "1", group: null, parent: null });
  }

  toggleStatus(status: RunStatus): void {
    const next = this.statuses.includes(status)
      ? this.statuses.filter((one) => one !== status)
      : [...this.statuses, status];
    location.set({ status: next.join(",") });
  }

  clearFilter(): void {
    location.set({ q: null, status: null, parent: null, deleted: null, archived: null });
  }

  togglePinned(ids: readonly string[]): void {
    const areAll = ids.every((id) => this.pinnedIds.includes(id));
    const next = areAll
      ? this.pinnedIds.filter((id) => !ids.includes(id))
      : [...new Set([...this.pinnedIds, ...ids])].slice(-MAX_PINNED);
    location.set({ pin: encodeIds(next) });
  }

  toggleBaseline(id: string): void {
    location.set({ base: this.baselineId === id ? null : id });
  }

  // ---------------------------------------------------------------- saved views

  /** The view as its address, without what passes. */
  get viewQuery(): string {
    const query = new URLSearchParams(location.query);
    for (const name of TRANSIENT) query.delete(name);
    query.sort();
    return query.toString();
  }

  openView(name: string, query: string): void {
    const next = new URLSearchParams(query);
    next.set("view", name);
    location.go(`${location.path}?${next}`);
  }

  // ---------------------------------------------------------------- selecting

  /** Select or leave out one run; `isRange` takes along all from the last one touched. */
  async select(id: string, index: number, isRange = false): Promise<void> {
    const anchor = this.#anchor;
    this.#anchor = index;
    if (isRange && anchor !== null) {
      for (const one of await this.list.idsBetween(anchor, index)) this.selected.add(one);
    } else if (!this.selected.delete(id)) this.selected.add(id);
  }

  async selectAll(): Promise<void> {
    const ids = await this.list.allIds();
    for (const id of ids) this.selected.add(id);
  }

  /** Select these and no others. */
  selectOnly(ids: readonly string[]): void {
    this.selected.clear();
    for (const id of ids) this.selected.add(id);
  }

  clearSelection(): void {
    this.selected.clear();
    this.#anchor = null;
  }

  // ---------------------------------------------------------------- the filter

  vocabulary: Vocabulary = $derived({
    ...this.#allKeys,
    tags: this.#allKeys.tags.filter((name) => !name.startsWith(OWN_TAGS)),
    statuses: RUN_STATUSES,
    values: (term) => this.#valuesOf(term),
  });

  /** Values that runs in memory have: what is on the screen is what people ask for. */
  #valuesOf(term: string): string[] {
    const ids = [...this.columnIds, "user", "experiment", "name", ...this.choice.all];
    const id = ids.find((one) => columnTerm(one) === term);
    if (id === undefined) return [];
    const { kind, name } = splitId(id);
    const found = new Set<string>();
    for (const run of this.list.known) {
      const value = kind === "param" ? run.params[name] : kind === "tag" ? run.tags[name] : attribute(run, id);
      if (value === undefined || value === null || value === "") continue;
      const isNumber = typeof value === "number" || FILTER_ATTRIBUTES[id] === "number";
      const written = typeof value === "boolean" ? (value ? "True" : "False") : String(value);
      found.add(isNumber ? written : quoted(written.slice(0, 80)));
      if (found.size >= MAX_VALUES) break;
    }
    return [...found];
  }

  // ---------------------------------------------------------------- columns in view

  /** These columns are in view, besides the pinned ones. */
  show(ids: readonly ColumnId[]): void {
    const wanted = this.columns.length <= MAX_WANTED ? this.columnIds : ids;
    const orders = this.order.map((key) => key.replace(/^-/, ""));
    this.list.want(neededKeys([...new Set([...wanted, ...orders])]));
  }

  // ---------------------------------------------------------------- runs beside the list

  /** Keep the runs that are drawn, pinned, and compared with up to date. */
  #follow(): (() => void) | undefined {
    if (this.isSelecting) return undefined;
    const selected = this.selectedIds;
    const most = selected.length > 0 || this.areAveraged ? MAX_CHARTED : this.most;
    const latest: RunQuery = { ...(JSON.parse(this.#filterText) as RunQuery), order_by: "-start" };
    const { pinnedIds: pinned, baselineId: baseline } = this;
    return untrack(() => this.#drawn.follow({ selected, latest, most, pinned, baseline }));
  }
}

/** What the server is asked of a group for a column; nothing for what a group does not have. */
function groupColumn(id: ColumnId): string[] {
  const { kind } = splitId(id);
  if (kind === "spark") return [`metric:${id.slice(6)}`];
  if (kind !== "attribute") return [id];
  return ["experiment", "user"].includes(id) ? [id] : [];
}

function attribute(run: RunInfo, id: ColumnId): string | number | null {
  switch (id) {
    case "user":
      return run.user;
    case "experiment":
      return run.experiment;
    case "name":
      return run.name;
    case "type":
      return run.type;
    case "number":
      return run.number;
    default:
      return null;
  }
}
