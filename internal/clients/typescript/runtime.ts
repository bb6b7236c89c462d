// What of a client is the same for all models. It needs fetch and nothing else: a browser,
// or Node 20 and later.

/** Why the server refused a request (RFC 9457). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    /** Stable: "not_found", "validation_failed", ... */
    readonly code: string,
    readonly detail: string,
    /** The places that are wrong. */
    readonly errors: readonly FieldError[] = [],
    /** unique_conflict: the field, and who has the value. */
    readonly field?: string,
    readonly conflictingId?: string,
  ) {
    super([`${status} ${code}: ${detail}`, ...errors.map((e) => `${e.pointer}: ${e.detail}`)].join("; "));
    this.name = "Problem";
  }
}

export interface FieldError {
  pointer: string;
  detail: string;
}

/** A job that failed or was cancelled. */
export class JobError extends Error {
  constructor(
    readonly id: string,
    readonly state: JobState,
  ) {
    super(`job ${id} ${state.state}: ${state.error ?? ""}`);
    this.name = "JobError";
  }
}

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** What the server keeps about a resource. */
export interface Meta {
  type: string;
  id: string;
  current_revision: string;
  revision_count: number;
  status: "draft" | "stable";
  schema_version: string;
  /** Place of the last change in the log. */
  seq: number;
  created_at: string;
  created_by: string;
  updated_at: string;
  updated_by: string;
  deleted: boolean;
  /** Number of the revision that is published. */
  published?: number | null;
  /** It does not fit the model as it is now. */
  unfit?: boolean;
  job?: JobState;
}

export interface JobState {
  state: "pending" | "scheduled" | "running" | "succeeded" | "failed" | "cancelled";
  queue: string;
  attempts: number;
  max_attempts: number;
  progress?: { done?: number; total?: number; message?: string } | null;
  error?: string | null;
  result?: Json;
}

export interface Revision {
  id: string;
  number: number;
  parent: string | null;
  status: "draft" | "stable";
  hash: string;
  size: number;
  created_at: string;
  created_by: string;
  message: string | null;
}

/** Data with what the server keeps about it. */
export interface Resource<T> {
  data: T;
  meta: Meta;
  /** Absent in lists and events. */
  revision?: Revision;
  /** In lists: why there is no data. */
  problem?: { code: string; detail?: string };
  /** Names this state; absent in lists and events. */
  etag?: string;
}

/** Refers to a file that was uploaded. */
export interface Binary {
  digest: string;
  size?: number;
  content_type?: string;
  name?: string;
}

export interface Options {
  /** An API key, or another token. */
  token?: string;
  /** Default: that of the platform. */
  fetch?: typeof fetch;
  /** How often a request is sent at most while the server does not answer, or answers 503 or 429. Default: 8. */
  attempts?: number;
  /** false for callers without a credential where the server asks for credentials: creates are then sent once. */
  keys?: boolean;
}

interface Request {
  method: string;
  path: string;
  query?: Record<string, string | undefined>;
  headers?: Record<string, string>;
  body?: () => BodyInit;
  streamed?: boolean;
  /** A second one does no harm. */
  repeat?: boolean;
  signal?: AbortSignal | undefined;
}

/** A server and how it is asked. */
export class Client {
  readonly #url: string;
  readonly #options: Options;

  constructor(url: string, options: Options = {}) {
    this.#url = url.replace(/\/+$/, "");
    this.#options = options;
  }

  collection<T>(type: string): Collection<T> {
    return new Collection<T>(this, type);
  }

  /** Stores a file and tells how to refer to it. A stream is sent as it is read, and once. */
  async upload(file: Blob | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>, contentType: string, signal?: AbortSignal): Promise<Binary> {
    const streamed = file instanceof ReadableStream;
    const answer = await this.open({ method: "POST", path: "/v1/blobs", headers: { "Content-Type": contentType }, body: () => file, streamed, repeat: !streamed, signal });
    return (await answer.json()) as Binary;
  }

  /** Sends a request that no other method is for, such as a custom action. */
  async call<Out>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Out> {
    const request: Request = { method, path, headers: {}, signal };
    if (body !== undefined) Object.assign(request, json(body));
    const answer = await this.open(method === "GET" ? { ...request, repeat: true } : this.keyed(request));
    const text = await answer.text();
    return (text === "" ? undefined : JSON.parse(text)) as Out;
  }

  /** Gives a write a key, under which it is done once however often it is sent. */
  keyed(request: Request, key?: string): Request {
    const given = key ?? (this.#options.keys === false ? undefined : randomKey());
    if (given === undefined) return request;
    return { ...request, headers: { ...request.headers, "Idempotency-Key": given }, repeat: true };
  }

  /** Sends a request, again where that makes sense, until it is answered well. */
  async open(request: Request): Promise<Response> {
    const most = this.#options.attempts ?? 8;
    for (let attempt = 1; ; attempt++) {
      let wait = 0;
      try {
        const answer = await this.#once(request);
        if (answer.ok) return answer;
        const refusal = await problemOf(answer);
        const later = answer.status === 503 || answer.status === 429;
        if (!later || request.repeat !== true || attempt >= most) throw refusal;
        wait = Number(answer.headers.get("Retry-After") ?? 0) * 1000 || 0;
      } catch (e) {
        if (e instanceof Problem || request.signal?.aborted || request.repeat !== true || attempt >= most) throw e;
      }
      await pause(Math.max(wait, backoff(attempt)), request.signal);
    }
  }

  #once(request: Request): Promise<Response> {
    const url = new URL(this.#url + request.path);
    for (const [name, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined && value !== "") url.searchParams.set(name, value);
    }
    const headers = new Headers(request.headers);
    if (this.#options.token !== undefined) headers.set("Authorization", `Bearer ${this.#options.token}`);
    const init: RequestInit & { duplex?: "half" } = { method: request.method, headers };
    if (request.body !== undefined) init.body = request.body();
    if (request.streamed === true) init.duplex = "half";
    if (request.signal !== undefined) init.signal = request.signal;
    return (this.#options.fetch ?? fetch)(url, init);
  }
}

function json(body: unknown, media = "application/json"): Pick<Request, "body" | "headers"> {
  const text = JSON.stringify(body);
  return { body: () => text, headers: { "Content-Type": media } };
}

async function problemOf(answer: Response): Promise<Problem> {
  const text = await answer.text().catch(() => "");
  try {
    const p = JSON.parse(text) as { code?: string; detail?: string; errors?: FieldError[]; field?: string; conflicting_id?: string };
    return new Problem(answer.status, p.code ?? "", p.detail ?? answer.statusText, p.errors ?? [], p.field, p.conflicting_id);
  } catch {
    return new Problem(answer.status, "", `the server answered ${answer.status} ${answer.statusText}`);
  }
}

function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}

/** A pause that grows with the attempts, in milliseconds. */
function backoff(attempt: number): number {
  return Math.min(50 * 2 ** Math.min(attempt, 10), 5000);
}

function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error);
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

export interface CreateOptions {
  /** Made by the server when absent. */
  id?: string;
  status?: "draft" | "stable";
  /** Why; kept with the revision. */
  message?: string;
  /** Idempotency key; a new one when absent. */
  key?: string;
  /** Of a job: when to run it; at once when absent. */
  runAt?: Date;
  /** Of a job: another one with it is refused until this one has ended. */
  uniqueKey?: string;
  signal?: AbortSignal;
}

export interface WriteOptions {
  /** An ETag; default: that of the resource that is given. */
  ifMatch?: string;
  /** Write whatever the state is now. */
  force?: boolean;
  status?: "draft" | "stable";
  message?: string;
  key?: string;
  signal?: AbortSignal;
}

/** Which resources, in which order. Empty is all of them, the newest first. */
export interface Query {
  filter?: Filter;
  orderBy?: readonly Order[];
  /** Full text: every word of it. */
  text?: string;
  /** Default: 100. */
  pageSize?: number;
  /** Deleted ones too. */
  deleted?: boolean;
  /** As they are published. */
  published?: boolean;
  signal?: AbortSignal;
}

/** A change of a resource. */
export interface Event<T> {
  /** Place in the log; after of WatchOptions takes it. */
  seq: number;
  /** created, updated, deleted, ...; left: the filter does not match any more. */
  action: string;
  resource: Resource<T>;
  /** It does not match the filter any more, or what was published was taken back. */
  left: boolean;
  /** It was deleted, or erased for good. */
  deleted: boolean;
}

/** What to follow. Empty is every change from now on. */
export interface WatchOptions {
  /** Of one resource. */
  id?: string;
  filter?: Filter;
  /** What is published. */
  published?: boolean;
  /** Begin after this event; 0: with the first that is kept. */
  after?: number;
  signal?: AbortSignal;
}

/** After what time without a sign a connection counts as broken. The server gives one every 15 s. */
const silence = 45_000;

/** The part of a merge patch (RFC 7396) that types can say: null removes. */
export type Patch<T> = { [K in keyof T]?: T[K] | Patch<T[K]> | null };

/** The resources of one type. */
export class Collection<T> {
  readonly #client: Client;
  readonly #path: string;

  constructor(client: Client, type: string) {
    this.#client = client;
    this.#path = `/v1/${encodeURIComponent(type)}`;
  }

  #at(id: string): string {
    return `${this.#path}/${encodeURIComponent(id)}`;
  }

  async create(data: T, o: CreateOptions = {}): Promise<Resource<T>> {
    const query = { id: o.id, status: o.status, message: o.message, unique_key: o.uniqueKey, run_at: o.runAt?.toISOString() };
    return this.#answered(this.#client.keyed({ method: "POST", path: this.#path, query, ...json(data), signal: o.signal }, o.key));
  }

  async get(id: string, signal?: AbortSignal): Promise<Resource<T>> {
    return this.#answered({ method: "GET", path: this.#at(id), repeat: true, signal });
  }

  /** What is published of a resource. */
  async published(id: string, signal?: AbortSignal): Promise<Resource<T>> {
    return this.#answered({ method: "GET", path: this.#at(id), query: { view: "published" }, repeat: true, signal });
  }

  /** Writes the data of a resource that was read. A write that came between is told as precondition_failed. */
  async replace(r: Resource<T>, o: WriteOptions = {}): Promise<Resource<T>> {
    return this.#change("PUT", r, json(r.data), o);
  }

  /** Changes parts of a resource that was read. A write that came between is told as precondition_failed. */
  async patch(r: Resource<T>, patch: Patch<T>, o: WriteOptions = {}): Promise<Resource<T>> {
    return this.#change("PATCH", r, json(patch, "application/merge-patch+json"), o);
  }

  /** Changes parts of a resource, whatever its state is. */
  async patchId(id: string, patch: Patch<T>, o: WriteOptions = {}): Promise<Resource<T>> {
    return this.#write("PATCH", id, json(patch, "application/merge-patch+json"), o, o.ifMatch);
  }

  /** Deletes a resource that was read; it can be restored. */
  async delete(r: Resource<T>, o: WriteOptions = {}): Promise<void> {
    await this.#change("DELETE", r, {}, o);
  }

  /** Deletes a resource, whatever its state is. */
  async deleteId(id: string, o: WriteOptions = {}): Promise<void> {
    await this.#write("DELETE", id, {}, o, o.ifMatch);
  }

  /** Undoes a delete. */
  async restore(id: string, signal?: AbortSignal): Promise<Resource<T>> {
    return this.#answered(this.#client.keyed({ method: "POST", path: `${this.#at(id)}:restore`, ...json({}), signal }));
  }

  /** Makes what a resource is now the published state of it. */
  async publish(id: string, signal?: AbortSignal): Promise<Resource<T>> {
    return this.#answered(this.#client.keyed({ method: "POST", path: `${this.#at(id)}:publish`, ...json({}), signal }));
  }

  /** The resources that a query finds, page by page. */
  async *list(q: Query = {}): AsyncGenerator<Resource<T>, void, undefined> {
    const asked: Record<string, Json> = { page_size: q.pageSize ?? 100 };
    if (q.filter !== undefined && q.filter.text !== "") asked["filter"] = q.filter.text;
    if (q.orderBy !== undefined && q.orderBy.length > 0) asked["order_by"] = q.orderBy.map((o) => o.text).join(", ");
    if (q.text !== undefined && q.text !== "") asked["q"] = q.text;
    if (q.deleted === true) asked["include_deleted"] = true;
    if (q.published === true) asked["view"] = "published";
    for (;;) {
      const answer = await this.#client.open({ method: "POST", path: `${this.#path}:search`, ...json(asked), repeat: true, signal: q.signal });
      const page = (await answer.json()) as { items: Resource<T>[]; next_page_token: string };
      yield* page.items;
      if (page.next_page_token === "") return;
      asked["page_token"] = page.next_page_token;
    }
  }

  async count(filter?: Filter, signal?: AbortSignal): Promise<number> {
    const answer = await this.#client.open({ method: "GET", path: `${this.#path}:count`, query: { filter: filter?.text }, repeat: true, signal });
    return ((await answer.json()) as { count: number }).count;
  }

  /** The content of a file that a resource refers to, as a stream. */
  async download(id: string, digest: string, signal?: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const answer = await this.#client.open({ method: "GET", path: `${this.#at(id)}/blobs/${encodeURIComponent(digest)}`, repeat: true, signal });
    return answer.body ?? new Blob([]).stream();
  }

  /** Creates a job and waits for its end; progress hears how it stands whenever that changed. */
  async run(data: T, progress?: (state: JobState) => void, o: CreateOptions = {}): Promise<Resource<T>> {
    return this.wait((await this.create(data, o)).meta.id, progress, o.signal);
  }

  /** Waits for the end of a job. One that does not succeed throws a JobError. */
  async wait(id: string, progress?: (state: JobState) => void, signal?: AbortSignal): Promise<Resource<T>> {
    let told = "";
    for (let attempt = 1; ; attempt++) {
      const r = await this.get(id, signal);
      const state = r.meta.job;
      if (state === undefined) throw new Error(`${r.meta.type}/${id} is no job`);
      const now = JSON.stringify(state);
      if (now !== told) progress?.(state);
      told = now;
      if (state.state === "succeeded") return r;
      if (state.state === "failed" || state.state === "cancelled") throw new JobError(id, state);
      await pause(Math.min(backoff(attempt), 1000), signal);
    }
  }

  /**
   * Every change once, in order. A connection that breaks is taken up where it was, however
   * often. It ends with an error: that of the signal, or a refusal of the server, such as
   * gone for a place that is not kept any more.
   */
  async *watch(o: WatchOptions = {}): AsyncGenerator<Event<T>, void, undefined> {
    const query: Record<string, string | undefined> = { filter: o.filter?.text, view: o.published === true ? "published" : undefined, from_seq: o.after?.toString() };
    const path = `${o.id === undefined ? this.#path : this.#at(o.id)}:watch`;
    let last = o.after;
    let opened = false;
    for (let attempt = 1; ; attempt++) {
      const connection = new AbortController();
      const end = (): void => connection.abort(o.signal?.reason);
      o.signal?.addEventListener("abort", end, { once: true });
      let watchdog: ReturnType<typeof setTimeout> | undefined;
      try {
        const headers: Record<string, string> = last === undefined ? {} : { "Last-Event-ID": String(last) };
        const answer = await this.#client.open({ method: "GET", path, query, headers, repeat: true, signal: connection.signal });
        opened = true;
        const heard = (): void => {
          clearTimeout(watchdog);
          watchdog = setTimeout(() => connection.abort(), silence);
        };
        heard();
        for await (const message of messages(answer, heard)) {
          attempt = 0;
          const seq = Number(message.id);
          if (message.data !== "" && message.event !== "resume" && (last === undefined || seq > last)) {
            const action = message.event;
            last = seq;
            yield { seq, action, resource: JSON.parse(message.data) as Resource<T>, left: action === "left", deleted: action === "deleted" || action === "purged" };
          } else if (message.id !== "") {
            last = seq;
          }
        }
      } catch (e) {
        const refused = e instanceof Problem && e.status < 500 && e.status !== 429;
        if (o.signal?.aborted || refused || !opened || e instanceof SyntaxError) throw e;
      } finally {
        clearTimeout(watchdog);
        o.signal?.removeEventListener("abort", end);
        connection.abort();
      }
      await pause(backoff(attempt), o.signal);
    }
  }

  async #change(method: string, r: Resource<T>, body: Pick<Request, "body" | "headers">, o: WriteOptions): Promise<Resource<T>> {
    return this.#write(method, r.meta.id, body, o, o.force === true ? undefined : (o.ifMatch ?? (await this.#tag(r, o.signal))));
  }

  async #write(method: string, id: string, body: Pick<Request, "body" | "headers">, o: WriteOptions, ifMatch?: string): Promise<Resource<T>> {
    const headers: Record<string, string> = { ...body.headers };
    if (ifMatch !== undefined) headers["If-Match"] = ifMatch;
    return this.#answered(this.#client.keyed({ method, path: this.#at(id), query: { status: o.status, message: o.message }, ...body, headers, signal: o.signal }, o.key));
  }

  /** The ETag of a resource that was read, also in a list, which tells none. */
  async #tag(r: Resource<T>, signal?: AbortSignal): Promise<string> {
    if (r.etag !== undefined) return r.etag;
    const now = await this.get(r.meta.id, signal);
    if (now.meta.seq !== r.meta.seq || now.etag === undefined) throw new Problem(412, "precondition_failed", "the resource was changed since it was listed");
    return now.etag;
  }

  async #answered(request: Request): Promise<Resource<T>> {
    const answer = await this.#client.open(request);
    const r = (await answer.json()) as Resource<T>;
    const etag = answer.headers.get("ETag");
    return etag === null ? r : { ...r, etag };
  }
}

interface Message {
  id: string;
  event: string;
  data: string;
}

/** The messages of a stream of Server-Sent Events; one without data tells how far it is. */
async function* messages(answer: Response, heard: () => void): AsyncGenerator<Message, void, undefined> {
  if (answer.body === null) return;
  const decoder = new TextDecoder();
  const reader = answer.body.getReader();
  const waiting: string[] = []; // of a line that is not ended yet
  let message: Message = { id: "", event: "", data: "" };
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return; // what was not ended is told again
    heard();
    const parts = decoder.decode(value, { stream: true }).split("\n");
    for (const [i, part] of parts.entries()) {
      waiting.push(part);
      if (i === parts.length - 1) break;
      const line = waiting.join("").replace(/\r$/, "");
      waiting.length = 0;
      if (line === "") {
        if (message.id !== "" || message.data !== "") yield message;
        message = { id: "", event: "", data: "" };
        continue;
      }
      const colon = line.indexOf(":");
      const name = colon < 0 ? line : line.slice(0, colon);
      const text = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (name === "id") message.id = text;
      else if (name === "event") message.event = text;
      else if (name === "data") message.data += text;
    }
  }
}

/** A condition over resources. */
export class Filter {
  /** In the language of the server. */
  constructor(readonly text: string) {}
}

/** A field to sort by. */
export class Order {
  constructor(readonly text: string) {}
}

/** What all match. */
export function and(...filters: readonly Filter[]): Filter {
  return joined(" AND ", filters);
}

/** What any matches. */
export function or(...filters: readonly Filter[]): Filter {
  return joined(" OR ", filters);
}

/** What the filter does not match. */
export function not(filter: Filter): Filter {
  return new Filter(`NOT (${filter.text})`);
}

function joined(word: string, filters: readonly Filter[]): Filter {
  return new Filter(
    filters
      .filter((f) => f.text !== "")
      .map((f) => `(${f.text})`)
      .join(word),
  );
}

type Scalar = string | number | boolean;

/** A value in the language of filters. */
function literal(value: Scalar): string {
  return typeof value === "number" ? String(value) : JSON.stringify(value);
}

/** A field that filters can name. */
export class Field<V extends Scalar> {
  constructor(readonly name: string) {}

  #compare(op: string, value: V): Filter {
    return new Filter(`${this.name} ${op} ${literal(value)}`);
  }
  eq(value: V): Filter {
    return this.#compare("=", value);
  }
  ne(value: V): Filter {
    return this.#compare("!=", value);
  }
  lt(value: V): Filter {
    return this.#compare("<", value);
  }
  le(value: V): Filter {
    return this.#compare("<=", value);
  }
  gt(value: V): Filter {
    return this.#compare(">", value);
  }
  ge(value: V): Filter {
    return this.#compare(">=", value);
  }
  /** One of the values. */
  in(...values: readonly V[]): Filter {
    if (values.length === 0) return and(this.isNull(), not(this.isNull())); // nothing is one of none
    return new Filter(`in(${[this.name, ...values.map(literal)].join(", ")})`);
  }
  /** The field is missing or null. */
  isNull(): Filter {
    return new Filter(`isNull(${this.name})`);
  }
  asc(): Order {
    return new Order(this.name);
  }
  desc(): Order {
    return new Order(`${this.name} desc`);
  }
}

/** A field of text. */
export class TextField extends Field<string> {
  startsWith(text: string): Filter {
    return new Filter(`startsWith(${this.name}, ${literal(text)})`);
  }
  contains(text: string): Filter {
    return new Filter(`contains(${this.name}, ${literal(text)})`);
  }
  /** contains without regard to case. */
  containsFold(text: string): Filter {
    return new Filter(`icontains(${this.name}, ${literal(text)})`);
  }
}

/** A field of instants. */
export class TimeField {
  readonly #field: Field<string>;
  constructor(readonly name: string) {
    this.#field = new Field<string>(name);
  }
  before(t: Date): Filter {
    return this.#field.lt(t.toISOString());
  }
  after(t: Date): Filter {
    return this.#field.gt(t.toISOString());
  }
  at(t: Date): Filter {
    return this.#field.eq(t.toISOString());
  }
  isNull(): Filter {
    return this.#field.isNull();
  }
  asc(): Order {
    return this.#field.asc();
  }
  desc(): Order {
    return this.#field.desc();
  }
}

/** A field of lists. */
export class ListField<V extends Scalar> {
  constructor(readonly name: string) {}
  /** The list has the element. */
  has(value: V): Filter {
    return new Filter(`${this.name}:${literal(value)}`);
  }
  isNull(): Filter {
    return new Filter(`isNull(${this.name})`);
  }
}

/** Fields of the meta of every resource. */
export const metaFields = {
  id: new TextField("meta.id"),
  status: new TextField("meta.status"),
  createdAt: new TimeField("meta.created_at"),
  createdBy: new TextField("meta.created_by"),
  updatedAt: new TimeField("meta.updated_at"),
  updatedBy: new TextField("meta.updated_by"),
  seq: new Field<number>("meta.seq"),
  /** Of jobs. */
  jobState: new TextField("meta.job.state"),
} as const;
