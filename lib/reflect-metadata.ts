/**
 * Adds the three functions of the Reflect metadata proposal that `@peculiar/x509` looks for when it is loaded (its
 * dependency tsyringe refuses to start without them). It uses them for its own classes only. Does nothing when they are
 * there already.
 */
export function ensureReflectMetadata(): void {
  if ("getMetadata" in Reflect) return;
  const metadata = new WeakMap<object, Map<unknown, unknown>>();
  const read = (key: unknown, target: object): unknown => metadata.get(target)?.get(key);
  const define = (key: unknown, value: unknown, target: object): void => {
    const values = metadata.get(target) ?? new Map<unknown, unknown>();
    metadata.set(target, values.set(key, value));
  };
  Object.assign(Reflect, { getMetadata: read, getOwnMetadata: read, defineMetadata: define });
}
