import { describeError } from "./errors.ts";
import { plainField } from "./log-fields.ts";
import type { Plain } from "./log-fields.ts";
import { redactText } from "./redact.ts";

/** Severities, least first. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;

/** How severe a line is. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Facts beside the message, by camelCase name. Anything may be a value; secrets are redacted by name. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Writes one line per call. Never throws. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger named "parent.name" whose lines carry `fields` as well. */
  child(name: string, fields?: LogFields): Logger;
}

/** Values of `--json-log`. */
export const JSON_LOG_CHOICES = ["true", "false", "auto"] as const;

/** How a logger writes. */
export interface LoggerOptions {
  /** name of the root logger: the service */
  readonly name: string;
  /** least severe level that is written */
  readonly level: LogLevel;
  /** "json": one object {level, ts, logger, msg, ...fields} per line; "text": for people */
  readonly format: "json" | "text";
  /** milliseconds since 1970 */
  readonly now: () => number;
  /** takes one line with its line break */
  readonly write: (line: string) => void;
}

/** The format that `--json-log` asks for; "auto" is text when the stream is a terminal. */
export function logFormat(choice: (typeof JSON_LOG_CHOICES)[number], isTerminal: boolean): "json" | "text" {
  if (choice === "auto") return isTerminal ? "text" : "json";
  return choice === "true" ? "json" : "text";
}

/** Creates the root logger of a service. */
export function createLogger(options: LoggerOptions): Logger {
  return new StreamLogger(new LineWriter(options), options.name, {});
}

/** A logger that drops everything, for tests. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
};

class StreamLogger implements Logger {
  readonly #writer: LineWriter;
  readonly #name: string;
  readonly #fields: LogFields;

  constructor(writer: LineWriter, name: string, fields: LogFields) {
    this.#writer = writer;
    this.#name = name;
    this.#fields = fields;
  }

  debug(message: string, fields: LogFields = {}): void {
    this.#writer.write("debug", this.#name, message, { ...this.#fields, ...fields });
  }

  info(message: string, fields: LogFields = {}): void {
    this.#writer.write("info", this.#name, message, { ...this.#fields, ...fields });
  }

  warn(message: string, fields: LogFields = {}): void {
    this.#writer.write("warn", this.#name, message, { ...this.#fields, ...fields });
  }

  error(message: string, fields: LogFields = {}): void {
    this.#writer.write("error", this.#name, message, { ...this.#fields, ...fields });
  }

  child(name: string, fields: LogFields = {}): Logger {
    return new StreamLogger(this.#writer, `${this.#name}.${name}`, { ...this.#fields, ...fields });
  }
}

/** Formats lines and hands them on. A line that cannot be written is counted and confessed in the next one. */
class LineWriter {
  readonly #options: LoggerOptions;
  readonly #least: number;
  #dropped = 0;

  constructor(options: LoggerOptions) {
    this.#options = options;
    this.#least = LOG_LEVELS.indexOf(options.level);
  }

  write(level: LogLevel, logger: string, message: string, fields: LogFields): void {
    if (LOG_LEVELS.indexOf(level) < this.#least) return;
    try {
      const ts = new Date(this.#options.now()).toISOString();
      const text = redactText(message);
      const lost = this.#dropped === 0 ? {} : { droppedLines: this.#dropped };
      const plain = plainFields({ ...fields, ...lost });
      const format = this.#options.format === "json" ? formatJson : formatText;
      this.#options.write(`${format({ level, ts, logger, msg: text }, plain)}\n`);
      this.#dropped = 0;
    } catch {
      this.#dropped += 1;
    }
  }
}

interface LineHead {
  readonly level: LogLevel;
  readonly ts: string;
  readonly logger: string;
  readonly msg: string;
}

function plainFields(fields: LogFields): Record<string, Plain | undefined> {
  return Object.fromEntries(Object.keys(fields).map((name) => [name, readField(fields, name)]));
}

function readField(fields: LogFields, name: string): Plain | undefined {
  try {
    return plainField(name, fields[name]);
  } catch (error) {
    return `[cannot be logged: ${describeError(error)}]`;
  }
}

function formatJson(head: LineHead, fields: Record<string, Plain | undefined>): string {
  const renamed = Object.entries(fields).map(([name, value]) => [
    name in head ? `field_${name}` : name,
    value,
  ]);
  return JSON.stringify({ ...head, ...Object.fromEntries(renamed) });
}

function formatText(head: LineHead, fields: Record<string, Plain | undefined>): string {
  const pairs = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${formatTextValue(value)}`);
  return `${head.ts} ${head.level.toUpperCase().padEnd(5)} ${head.logger}: ${escapeControls(head.msg)}${pairs.join("")}`;
}

function formatTextValue(value: Plain | undefined): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return typeof value === "string" && !/^[\w./:@+,-]+$/.test(text)
    ? escapeControls(JSON.stringify(text))
    : text;
}

/** Keeps what came from outside from moving the cursor, colouring a terminal or reversing its text. */
function escapeControls(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (control) => `\\u${(control.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`,
  );
}
