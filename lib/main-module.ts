import { existsSync, realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * Whether a module is the program that was started, also through a symbolic link: npm links commands, and deployments
 * link releases.
 *
 * @param url the module's `import.meta.url`; `import.meta.main` is not there under tsx
 * @param script `process.argv[1]`
 */
export function isMainModule(url: string, script: string | undefined): boolean {
  return script !== undefined && existsSync(script) && realpathSync(script) === fileURLToPath(url);
}
