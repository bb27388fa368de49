/** Any JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A call that was refused, or that nobody answered. */
export class CroniumError extends Error {
  readonly code:
    | "INVALID"
    | "NOT_FOUND"
    | "FORBIDDEN"
    | "TOO_LARGE"
    | "RATE_LIMITED"
    | "UNAVAILABLE"
    | "INTERNAL";
  /** The message without the code. */
  readonly reason: string;
  /** With RATE_LIMITED: seconds after which to come again. */
  readonly retryAfter: number | null;
  /** With INVALID: what of the call is wrong, if it is one thing. */
  readonly field: string | null;
}

/** What runs here. */
export interface EventContext {
  eventId: string | null;
  eventName: string;
  jobId: string;
  jobNumber: number;
  executionId: string;
  attempt: number;
  trigger: string;
  createdAt: string;
}

/** The input of this job; null when it has none. */
export function input(): Promise<Json>;

/** Sets the output of this job, at most 5 MiB of JSON. The last one counts. */
export function output(value: Json): Promise<void>;

/** What runs here. */
export function event(): Promise<EventContext>;

/** The text of a variable; `fallback` (null) when there is none. A secret is masked in all that this job says. */
export function getVariable(key: string): Promise<string | null>;
export function getVariable<T>(key: string, fallback: T): Promise<string | T>;

/** Sets a variable. `secret`: true makes it one; without it, it stays what it is. */
export function setVariable(key: string, value: string | number, options?: { secret?: boolean }): Promise<void>;

/** Removes a variable; false when there was none. */
export function deleteVariable(key: string): Promise<boolean>;

/** Adds to a variable in one step, whoever else does so at the same time; the new value. */
export function incrementVariable(key: string, by?: number): Promise<number>;

/** Sets what actions with the condition CONDITION look at; false until it is set. */
export function setCondition(value: boolean): Promise<void>;

/** Writes a line into this job's log. */
export function log(
  message: string,
  fields?: { [key: string]: Json },
  level?: "debug" | "info" | "warn" | "error",
): Promise<void>;
