// Types of dstm.js.

/** A JSON value; integers within +-(2**53 - 1). */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A JSON Pointer (RFC 6901): "" is the whole document, "/a/0" the first element of its member "a". */
export type Pointer = string;

/** An open session of autobahn-js, or a connected client of wampy.js. */
export type Session = {
  call(...args: any[]): any;
  subscribe(...args: any[]): any;
};

export interface Binding {
  /** Undo it when the session leaves. */
  bind?: "session";
  /** So much later. */
  linger_ms?: number;
  /** Undo it so long after the commit, in any case. */
  ttl_ms?: number;
}

/** One run of a transaction function on one version. */
export declare class Tx {
  private constructor();
  readonly version: number;
  get(pointer: Pointer): any;
  get<T>(pointer: Pointer, otherwise: T): any | T;
  has(pointer: Pointer): boolean;
  keys(pointer?: Pointer): string[] | undefined;
  set(pointer: Pointer, value: Json, binding?: Binding): void;
  insert(pointer: Pointer, value: Json): void;
  delete(pointer: Pointer): boolean;
  inc(pointer: Pointer, value?: number, bounds?: { min?: number; max?: number }): void;
  min(pointer: Pointer, value: number): void;
  max(pointer: Pointer, value: number): void;
  push(pointer: Pointer, value: Json): void;
  merge(pointer: Pointer, patch: Json): void;
  setDefault(pointer: Pointer, value: Json, binding?: Binding): boolean;
  move(from: Pointer, pointer: Pointer): void;
  copy(from: Pointer, pointer: Pointer): void;
  test(pointer: Pointer, value: Json): void;
  publish(topic: string, args?: Json[], kwargs?: { [name: string]: Json }): void;
  /** Leave the function, and run it again when something that it has read changes. */
  retry(): never;
  /** Leave the function, and run it again on a newer version. */
  restart(): never;
  nested<T>(inside: (tx: Tx) => T): T;
}

export type TransactionFunction<Args extends any[] = any[], Result = any> = (tx: Tx, ...args: Args) => Result;

/** Do the first function that does not retry. */
export declare function orElse<Args extends any[], Result>(
  ...functions: TransactionFunction<Args, Result>[]
): TransactionFunction<Args, Result>;

export interface Committed<Result = any> {
  version: number;
  /** What the function returned in the run that counts. */
  value: Result;
  /** Of the history that the version is in. */
  epoch: string;
  /** Of the commit, ms since 1970 by the router's clock; not of a local read. */
  time?: number;
}

/** A request that was refused; `uri` says why, as "dstm.error.constraint". */
export declare class DstmError extends Error {
  constructor(uri: string, text: string, details?: { [name: string]: any });
  readonly uri: string;
  readonly text: string;
  readonly details: { [name: string]: any };
}

/** It may have been committed, and that can't be learned any more. */
export declare class UnknownOutcome extends DstmError {
  constructor(cause: DstmError, tx: string);
  readonly tx: string;
}

/** One version, as it was. */
export declare class Snapshot {
  private constructor();
  readonly version: number;
  readonly epoch: string;
  get(pointer: Pointer): any;
  get<T>(pointer: Pointer, otherwise: T): any | T;
  has(pointer: Pointer): boolean;
  keys(pointer?: Pointer): string[] | undefined;
}

export type State = "detached" | "joining" | "syncing" | "live" | "refused" | "closed";

export interface Settings {
  transactions?: number;
  transactionBytes?: number;
  inFlight?: number;
  backlog?: number;
  firstDelayMs?: number;
  longestDelayMs?: number;
  arrivalMs?: number;
}

export interface Counters {
  committed: number;
  conflicts: number;
  resubmissions: number;
  syncs: number;
  snapshots: number;
  digests: number;
  mismatches: number;
}

export interface SpaceOptions {
  /** Pointers; the replica holds what is at and below them. */
  paths?: Pointer[];
  settings?: Settings;
}

/** A shared object: its replica, and the transactions on it. It lives through many sessions. */
export declare class Space {
  constructor(name: string, options?: SpaceOptions);
  readonly name: string;
  readonly paths?: readonly Pointer[];
  readonly state: State;
  readonly counters: Counters;
  readonly version: number;
  readonly epoch: string;
  readonly hasReplica: boolean;
  attach(session: Session): Promise<this>;
  detach(session?: Session, reason?: string): void;
  close(): void;
  atomically<Args extends any[], Result>(each: TransactionFunction<Args, Result>, ...args: Args): Promise<Committed<Result>>;
  transact<Args extends any[], Result>(transaction: {
    each: TransactionFunction<Args, Result>;
    args?: Args;
    /** Ask the server also where the function only reads. */
    strict?: boolean;
    signal?: AbortSignal;
  }): Promise<Committed<Result>>;
  get(pointer: Pointer): any;
  get<T>(pointer: Pointer, otherwise: T): any | T;
  has(pointer: Pointer): boolean;
  keys(pointer?: Pointer): string[] | undefined;
  snapshot(): Snapshot;
  /** Hear of each change at, below or above a pointer. */
  watch(pointer: Pointer, callback: (value: any) => void): () => void;
  onMove(callback: () => void): () => void;
}

export declare function open(session: Session, name: string, options?: SpaceOptions): Promise<Space>;

// Offline

export interface Store {
  /** Tabs that have a store of one name are tabs of one page. */
  readonly name?: string;
  load(): Promise<any>;
  saveReplica(replica: any): Promise<void>;
  saveMutation(record: any): Promise<void>;
  forgetMutation(id: string): Promise<void>;
}

export declare function memoryStore(): Store;
export declare function indexedDbStore(name: string): Promise<Store>;

/** Opens a session, and calls `lost` when that ends. */
export type Connect = (lost: (reason: string) => void) => Promise<Session>;

export declare function wampyConnector(make: (options: object) => any): Connect;
export declare function autobahnConnector(autobahn: any, options: object): Connect;

export interface Change {
  readonly id: string;
  readonly name: string;
  readonly args: Json[];
  readonly status: "pending" | "committed" | "rejected" | "unknown";
  /** It is in the store, and outlives the page. */
  readonly isKept: boolean;
  readonly version?: number;
  readonly reason?: Error;
  /** That it will outlive the page, of a change that this page has made; rejected where it could not be kept. */
  readonly kept?: Promise<void>;
  /** This change, when it is decided; never rejected. */
  readonly done: Promise<Change>;
}

export declare class OfflineSpace {
  private constructor();
  readonly name: string;
  readonly space: Space;
  readonly state: State;
  readonly changes: Change[];
  readonly pending: number;
  mutate(name: string, ...args: Json[]): Change;
  get(pointer: Pointer): any;
  get<T>(pointer: Pointer, otherwise: T): any | T;
  has(pointer: Pointer): boolean;
  keys(pointer?: Pointer): string[] | undefined;
  /** What is shown now; undefined before there is a replica. */
  snapshot(): Snapshot | undefined;
  watch(pointer: Pointer, callback: (value: any) => void): () => void;
  onStatus(callback: () => void): () => void;
  close(): void;
}

export declare function offline(
  space: Space,
  options: { mutators: { [name: string]: TransactionFunction }; store: Store; connect: Connect; name?: string; aliveMs?: number },
): Promise<OfflineSpace>;
