// The grammar of distribution/reference, on its own: what the kubelet takes must not follow from what tote takes.

const COMPONENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const LABEL = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const DOMAIN = `(?:${LABEL}(?:\\.${LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const NAME = `(?:${DOMAIN}/)?${COMPONENT}(?:/${COMPONENT})*`;
const TAG = "[\\w][\\w.-]{0,127}";
const DIGEST = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";
const REFERENCE = new RegExp(`^${NAME}(?::${TAG})?(?:@${DIGEST})?$`);
const ANY_CASE = new RegExp(`^${NAME}(?::${TAG})?(?:@${DIGEST})?$`, "i");

/** Whether the kubelet would try to pull it. */
export function isReference(image: string): boolean {
  return REFERENCE.test(image);
}

/** Why it would not, in its words. */
export function referenceProblem(image: string): string {
  const problem = ANY_CASE.test(image)
    ? "invalid reference format: repository name must be lowercase"
    : "invalid reference format";
  return `Failed to apply default image tag "${image}": couldn't parse image reference "${image}": ${problem}`;
}
