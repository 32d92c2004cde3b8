import { InvalidValueError } from "./errors.ts";
import { isDigest } from "./digest.ts";
import type { Digest } from "./digest.ts";

/**
 * An image reference in the one form under which containerd's CRI plugin stores and finds it. It has either a tag or a
 * digest, never both.
 */
export interface ImageReference {
  /** registry with optional port, e.g. "docker.io" or "[fd00::1]:5000"; "" when the name has none (see parseReference) */
  readonly domain: string;
  /** repository below the domain, e.g. "library/nginx" */
  readonly path: string;
  /** domain and path, e.g. "docker.io/library/nginx" */
  readonly repository: string;
  readonly tag?: string;
  /** sha256, sha384 or sha512; only a sha256 digest is a {@link Digest} */
  readonly digest?: string;
  /** the whole reference: "repository:tag" or "repository@digest" */
  readonly canonical: string;
}

/** What a person may mean by one word: an image reference or a bare digest. */
export type ReferenceOrDigest =
  | { readonly kind: "reference"; readonly reference: ImageReference }
  | { readonly kind: "digest"; readonly digest: Digest };

const DEFAULT_DOMAIN = "docker.io";
const LEGACY_DEFAULT_DOMAIN = "index.docker.io";
const OFFICIAL_PREFIX = "library/";
const DEFAULT_TAG = "latest";

/** Longest repository path, in characters, as distribution/reference has it. */
const MAX_PATH_LENGTH = 255;
/** Longest reference that is looked at, in characters: image names of pods are not to be trusted. */
const MAX_REFERENCE_LENGTH = 4096;

const DOMAIN_LABEL = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const DOMAIN = new RegExp(`^(?:${DOMAIN_LABEL}(?:\\.${DOMAIN_LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const PATH_COMPONENT = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const PATH = new RegExp(`^${PATH_COMPONENT}(?:/${PATH_COMPONENT})*$`);
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^(?:sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128})$/;
const BARE_HEX = /^[a-f0-9]{64}$/;

/**
 * Parses an image name as a pod writes it and normalises it as the kubelet and containerd do (`ParseDockerRef` of
 * github.com/distribution/reference): "nginx:1.25" becomes "docker.io/library/nginx:1.25", a name without tag gets
 * ":latest", and a name with tag and digest loses the tag.
 *
 * A first element that must be a registry but is not a legal host name ("foo_bar.com/app") is kept as a part of the
 * path, with an empty domain, because containerd does so.
 *
 * @param value the name
 * @param field how errors call it
 * @throws InvalidValueError that says which part is wrong
 */
export function parseReference(value: string, field = "image reference"): ImageReference {
  const refuse = (reason: string): InvalidValueError =>
    new InvalidValueError(field, `${quote(value)} is not an image reference: ${reason}`);

  if (value === "")
    throw new InvalidValueError(field, 'is empty, must be an image reference such as "nginx:1.25"');
  if (value.length > MAX_REFERENCE_LENGTH) {
    throw refuse(`it is ${value.length} characters long, at most ${MAX_REFERENCE_LENGTH} are allowed`);
  }
  if (BARE_HEX.test(value)) throw refuse("64 hex digits alone cannot be a repository name");
  if (DIGEST.test(value)) throw refuse('it is a digest without a repository, write "repository@digest"');

  const [name, digest] = cut(value, "@");
  if (digest !== undefined && !DIGEST.test(digest)) {
    throw refuse(`${quote(digest)} is not a digest such as sha256:<64 lower-case hex digits>`);
  }
  const { domain, remainder } = splitDomain(name);
  const [path, tag] = cut(remainder, ":");
  if (tag !== undefined && !TAG.test(tag)) {
    throw refuse(
      `${quote(tag)} is not a tag: up to 128 letters, digits, "_", "." and "-", not starting with "." or "-"`,
    );
  }
  const repository = checkRepository(domain, path, refuse);
  const named = { ...repository, repository: joinName(repository.domain, repository.path) };
  if (digest !== undefined) return { ...named, digest, canonical: `${named.repository}@${digest}` };
  const effectiveTag = tag ?? DEFAULT_TAG;
  return { ...named, tag: effectiveTag, canonical: `${named.repository}:${effectiveTag}` };
}

/**
 * Parses what may be an image reference or a bare digest.
 * @throws InvalidValueError as {@link parseReference}
 */
export function parseReferenceOrDigest(value: string, field = "reference"): ReferenceOrDigest {
  if (isDigest(value)) return { kind: "digest", digest: value };
  return { kind: "reference", reference: parseReference(value, field) };
}

/** The canonical form of an image name, see {@link parseReference}. */
export function normalizeReference(value: string, field?: string): string {
  return parseReference(value, field).canonical;
}

function checkRepository(
  domain: string,
  path: string,
  refuse: (reason: string) => InvalidValueError,
): { readonly domain: string; readonly path: string } {
  if (path === "" || path.endsWith("/")) throw refuse("the repository name is missing");
  if (path.toLowerCase() !== path) throw refuse(`the repository name ${quote(path)} must be lower case`);
  const checked = DOMAIN.test(domain) ? { domain, path } : { domain: "", path: `${domain}/${path}` };
  if (!PATH.test(checked.path)) {
    if (checked.domain === "" && PATH.test(path)) {
      throw refuse(`${quote(domain)} is not a registry host with optional port`);
    }
    throw refuse(
      `${quote(path)} is not a repository name: lower-case letters and digits, separated by ".", "_", "__", "-" or "/"`,
    );
  }
  if (checked.path.length > MAX_PATH_LENGTH) {
    throw refuse(
      `the repository name has ${checked.path.length} characters, at most ${MAX_PATH_LENGTH} are allowed`,
    );
  }
  return checked;
}

function splitDomain(name: string): { readonly domain: string; readonly remainder: string } {
  const [first, rest] = cut(name, "/");
  if (rest === undefined) return { domain: DEFAULT_DOMAIN, remainder: `${OFFICIAL_PREFIX}${name}` };
  const isDomain = first === "localhost" || /[.:]/.test(first) || first.toLowerCase() !== first;
  const domain = !isDomain || first === LEGACY_DEFAULT_DOMAIN ? DEFAULT_DOMAIN : first;
  const remainder = isDomain ? rest : name;
  const short = domain === DEFAULT_DOMAIN && !remainder.includes("/");
  return { domain, remainder: short ? `${OFFICIAL_PREFIX}${remainder}` : remainder };
}

function joinName(domain: string, path: string): string {
  return domain === "" ? path : `${domain}/${path}`;
}

function cut(value: string, separator: string): [string, string | undefined] {
  const index = value.indexOf(separator);
  if (index === -1) return [value, undefined];
  return [value.slice(0, index), value.slice(index + separator.length)];
}

function quote(value: string): string {
  return JSON.stringify(value.length > 200 ? `${value.slice(0, 200)}...` : value);
}
