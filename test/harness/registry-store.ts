import { readManifest } from "./blobs.ts";
import type { BlobSource } from "./blobs.ts";
import type { Built } from "./image-builder.ts";

/** Something that the registry serves. */
export interface Served {
  readonly blob: BlobSource;
  readonly mediaType: string;
}

interface Repository {
  readonly tags: Map<string, string>;
  readonly manifests: Map<string, Served>;
  readonly blobs: Map<string, Served>;
}

/** What a registry holds: per repository, manifests by tag and digest, and blobs. */
export class RegistryStore {
  readonly #repositories = new Map<string, Repository>();

  /** Adds an image under "repository:tag". */
  async add(name: string, image: Built): Promise<void> {
    const { repository, tag } = splitName(name);
    const store = this.#repositories.get(repository) ?? {
      tags: new Map(),
      manifests: new Map(),
      blobs: new Map(),
    };
    this.#repositories.set(repository, store);
    const mediaTypes = await manifestTypes(image);
    for (const [digest, blob] of image.blobs) {
      const mediaType = mediaTypes.get(digest);
      if (mediaType !== undefined) store.manifests.set(digest, { blob, mediaType });
      else store.blobs.set(digest, { blob, mediaType: "application/octet-stream" });
    }
    store.tags.set(tag, image.descriptor.digest);
  }

  /** Forgets a "repository:tag"; throws when there is none. */
  remove(name: string): void {
    const { repository, tag } = splitName(name);
    if (this.#repositories.get(repository)?.tags.delete(tag) !== true)
      throw new Error(`no "${name}" in the registry`);
  }

  /** A manifest by tag or digest. */
  manifest(repository: string, reference: string): Served | undefined {
    const store = this.#repositories.get(repository);
    return store?.manifests.get(store.tags.get(reference) ?? reference);
  }

  /** A blob by digest. */
  blob(repository: string, digest: string): Served | undefined {
    return this.#repositories.get(repository)?.blobs.get(digest);
  }
}

function splitName(name: string): { readonly repository: string; readonly tag: string } {
  const match = /^([a-z0-9][a-z0-9._/-]*):([\w][\w.-]*)$/.exec(name);
  const [, repository, tag] = match ?? [];
  if (repository === undefined || tag === undefined) {
    throw new RangeError(
      `cannot use "${name}" as a name in the registry: write "repository:tag", without a host`,
    );
  }
  return { repository, tag };
}

/** Media types of the root and, when that is an index, of those of its manifests that exist. */
async function manifestTypes(image: Built): Promise<ReadonlyMap<string, string>> {
  const { digest, mediaType } = image.descriptor;
  const found = new Map([[digest, mediaType]]);
  const root = image.blobs.get(digest);
  if (root === undefined) throw new Error(`the image has no blob for its root ${digest}`);
  for (const child of (await readManifest(root)).manifests ?? []) found.set(child.digest, child.mediaType);
  return found;
}
