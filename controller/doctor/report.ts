import type { CheckStatus, Diagnosis } from "./check.ts";

const WORDS: Readonly<Record<CheckStatus, string>> = { ok: "ok", warn: "WARN", fail: "FAIL" };

/** The findings as `tote doctor` has always printed them: one JSON object. */
export function formatJson(diagnosis: Diagnosis): string {
  return `${JSON.stringify(diagnosis, undefined, 2)}\n`;
}

/** The findings for a person: one line each, lines of configuration below theirs. */
export function formatText({ checks, ok }: Diagnosis): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const indent = " ".repeat(WORDS.fail.length + 2 + width + 2);
  const lines = checks.map(({ name, status, message }) => {
    const text = message.replaceAll("\n", `\n${indent}`);
    return `${WORDS[status].padEnd(WORDS.fail.length)}  ${name.padEnd(width)}  ${text}`;
  });
  const failed = checks.filter(({ status }) => status === "fail").length;
  const verdict = ok ? "no check failed" : `${failed} of ${checks.length} checks failed`;
  return `${[...lines, "", verdict].join("\n")}\n`;
}
