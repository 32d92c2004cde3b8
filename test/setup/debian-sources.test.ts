import assert from "node:assert/strict";
import { test } from "node:test";
import { mainArchive, parseSources, sourceOfSuite } from "./debian-sources.ts";

const deb822 = `Types: deb deb-src
# the snapshot this came from
URIs: http://debian.test/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc

Types: deb
URIs: http://debian.test/debian-security
Suites: bookworm-security
Components: main
Enabled: no

Types: deb-src
URIs: http://debian.test/debian
Suites: bookworm
Components: main
`;

void test("deb822 stanzas are read, without disabled ones and sources of sources", () => {
  assert.deepEqual(parseSources("debian.sources", deb822), [
    {
      uris: ["http://debian.test/debian"],
      suites: ["bookworm", "bookworm-updates"],
      components: ["main", "contrib"],
      signedBy: "\n-----BEGIN PGP PUBLIC KEY BLOCK-----\n.\nabc",
    },
  ]);
});

void test("one-line sources are read, with and without options and comments", () => {
  const text = [
    "# deb http://old.example/debian bookworm main",
    "deb [arch=amd64 signed-by=/usr/share/keyrings/k.gpg] http://debian.test/debian bookworm main contrib # here",
    "deb-src http://debian.test/debian bookworm main",
    "deb http://debian.test/debian bookworm-updates main",
  ].join("\n");
  const [first, second, ...rest] = parseSources("sources.list", text);
  assert.deepEqual(first, {
    uris: ["http://debian.test/debian"],
    suites: ["bookworm"],
    components: ["main", "contrib"],
    signedBy: "/usr/share/keyrings/k.gpg",
  });
  assert.deepEqual([second?.suites, second?.signedBy, rest], [["bookworm-updates"], undefined, []]);
});

void test("the main archive is the one with the release itself", () => {
  const sources = parseSources(
    "x.list",
    "deb http://updates.test/ bookworm-security main\ndeb http://debian.test/ bookworm main\n",
  );
  assert.deepEqual(mainArchive(sources, "bookworm")?.uris, ["http://debian.test/"]);
  assert.equal(mainArchive(sources, "trixie"), undefined);
});

void test("another suite is read from the same mirror with the same keys", () => {
  const [source] = parseSources("debian.sources", deb822);
  assert.ok(source);
  assert.equal(
    sourceOfSuite(source, "sid"),
    "Types: deb\nURIs: http://debian.test/debian\nSuites: sid\nComponents: main\n" +
      "Signed-By: \n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n",
  );
  assert.match(sourceOfSuite(source, "sid", "deb-src"), /^Types: deb-src\nURIs: /);
});
